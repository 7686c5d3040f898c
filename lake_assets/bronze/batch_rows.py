"""A batch's rows in many tables as one frame: what is technical of them, read from the files that the tables' logs name.

Belongs here: which files may hold rows of a batch, and reading these together. Not here: what is counted of them (`conservation.py`), who wins
(`transforms/winners.py`).

Spark plans each Delta table for itself, looks for its newest version and asks its statistics by jobs of their own: ten small tables took six seconds, their files a half. So the logs are
read here (resources/delta_snapshot.py) and Spark reads Parquet. Where a deletion vector hides rows, Spark reads the table itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from types import MappingProxyType

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf
from pyspark.sql.types import StructType

from resources.delta_log import Table
from resources.delta_snapshot import LiveFile, NoTable, snapshot, snapshots
from resources.errors import ResourceError
from resources.spark import spark_errors
from resources.tables import LakeTables

Span = tuple[int, int]
"""The lowest and the highest position, both inclusive."""


class NotThere(ResourceError):
    """The files of a table hold nothing of batches that were counted there: it was restored, or emptied, beside the run."""

    def __init__(self, table: Table, batches: str) -> None:
        super().__init__(
            f"{'/'.join(table)} holds nothing of {batches}, which was counted there: start the run again; see DESCRIBE HISTORY for who wrote meanwhile."
        )


_COLUMNS = "_key STRING, _seq BIGINT, _op STRING, _contract STRING, _digest BIGINT, _committed_at TIMESTAMP, _batch BIGINT"
"""What a table has not is null."""


def batch_rows(
    tables: LakeTables, batch: int, of: Iterable[Table], around: Mapping[Table, Span] | None = None
) -> DataFrame | None:
    """`(table, _key, _seq, _op, _contract, _digest, _committed_at, _batch)` of a batch's rows in several tables, `table` as `layer/name`.

    With `around`, also the rows of other batches whose position lies there. None where no file can hold any. Raises NoTable.
    """
    around = around or {}
    paths, others = list[str](), list[DataFrame]()
    of = list(of)
    there = snapshots(tables.logs, of)
    if missing := [table for table in of if table not in there]:
        raise NoTable(f"there is no table {'/'.join(missing[0])}")
    for table, found in there.items():
        span = around.get(table)
        files = [f for f in found.files if f.may_hold("_batch", batch, batch) or (span is not None and f.may_hold("_seq", *span))]
        if not found.plain(files):
            others.append(_of_table(tables, table))
        else:
            paths += [f"{tables.path(*table)}/{file.path}" for file in files]
    frames = others + ([_of_files(tables, paths)] if paths else [])
    if not frames:
        return None
    wanted = sf.col("_batch") == batch
    for (layer, name), (low, high) in around.items():
        wanted |= (sf.col("table") == f"{layer}/{name}") & sf.col("_seq").between(low, high)
    return reduce(DataFrame.unionByName, frames).where(wanted)


def whole_rows(
    tables: LakeTables,
    table: Table,
    columns: StructType,
    *,
    wanted: Callable[[LiveFile], bool] = lambda _: True,
    within: Mapping[str, str] = MappingProxyType({}),
) -> DataFrame | None:
    """The rows of a table's files that are `wanted`, `within` a partition, with these columns; None where there is no such file.

    Files hold other rows, too: of which batch they must be the caller says once more.
    """
    found = snapshot(tables.logs, table)
    files = [file for file in found.files if wanted(file)]
    files = [file for file in files if all(dict(file.partition).get(name, value) == value for name, value in within.items())]
    if not files:
        return None
    if not found.plain(files) or not all(within.keys() <= dict(file.partition).keys() for file in files):
        frame = tables.read(*table)
        for name, value in within.items():
            frame = frame.where(sf.col(name) == value)
        return frame.select(*columns.names)
    return tables.spark.read.schema(columns).parquet(*(f"{tables.path(*table)}/{file.path}" for file in files))


def _of_files(tables: LakeTables, paths: list[str]) -> DataFrame:
    parts = sf.split(sf.col("_metadata.file_path"), "/")
    table = sf.concat_ws("/", sf.element_at(parts, -3), sf.element_at(parts, -2))
    return tables.spark.read.schema(_COLUMNS).parquet(*paths).select(table.alias("table"), "*")


def _of_table(tables: LakeTables, table: Table) -> DataFrame:
    frame = tables.read(*table)
    with spark_errors(f"reading {'/'.join(table)}"):
        there = set(frame.columns)
    wanted = [column.split() for column in _COLUMNS.split(", ")]
    columns = [sf.col(name) if name in there else sf.lit(None).cast(kind).alias(name) for name, kind in wanted]
    return frame.select(sf.lit("/".join(table)).alias("table"), *columns)

"""Upkeep of one Delta table: files joined, hidden rows written out, files that nobody needs deleted, properties changed.

Belongs here: the statements and what they ask of the session. Not here: which tables and when (lake_assets/care, erasure, deploy), who may run beside it (lake_assets/runs.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf
from pyspark.sql.types import MapType

from resources.delta_snapshot import snapshot
from resources.errors import ResourceError
from resources.spark import spark_errors
from resources.table_schema import properties_sql, quoted
from resources.tables import WRITTEN_ANEW, LakeTables

VACUUM = {
    "spark.databricks.delta.vacuum.logging.enabled": "false",  # two commits a table, that say nothing that a receipt does not
    # Its listing is a few hundred names: planned for hundreds of tasks, a table took minutes on two busy cores.
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
}
_NOTHING_KEPT = {"spark.databricks.delta.retentionDurationCheck.enabled": "false"}

_IDENTITY = ("_key", "_seq", "_seq_from", "_digest", "_object")
"""The columns that tell rows apart, of a table that has a key. An event that came twice has copies in bronze, of other objects and so in other files."""


class StillHidden(ResourceError):
    """Files of a table hide rows after they should have been written anew."""

    def __init__(self, name: str, files: int) -> None:
        super().__init__(
            f"{files} files of {name} hide rows still, though each was written anew: nothing was vacuumed, and what is hidden is still in storage. "
            "See in the table's history whether somebody else wrote to it meanwhile, end whoever did, and start the run again. If nobody did, it is a bug."
        )


def compact(tables: LakeTables, layer: str, name: str, *, small_bytes: int, large_bytes: int, hidden_share: float) -> None:
    """Joins files below `small_bytes` into files of up to `large_bytes`, in each partition, and writes those anew of whose rows a larger share is hidden.

    One commit, that changes no row. Files in between stay as they are, so its cost is that of what came since the last time: Delta's own bound of 1 GiB would
    write a table below that anew each time. An append may run beside it; a MERGE may not, one of the two would fail.
    """
    settings = {
        "spark.databricks.delta.optimize.minFileSize": str(small_bytes),
        "spark.databricks.delta.optimize.maxFileSize": str(large_bytes),
        "spark.databricks.delta.optimize.maxDeletedRowsRatio": str(hidden_share),
    }
    with spark_errors(f"compacting {layer}/{name}"), tables.settings(settings):
        tables.spark.sql(f"OPTIMIZE {tables.sql_name(layer, name)}").collect()


def vacuum(tables: LakeTables, layer: str, name: str) -> None:
    """Deletes the files that no version of the last days needs: how many days, the table's `delta.deletedFileRetentionDuration` says.

    Time travel and RESTORE to before end. Delta refuses a retention that is shorter than the table's, so none is given.
    """
    with spark_errors(f"vacuuming {layer}/{name}"), tables.settings(VACUUM):
        tables.spark.sql(f"VACUUM {tables.sql_name(layer, name)}").collect()


def keep_present_version(tables: LakeTables, layer: str, name: str) -> None:
    """Leaves nothing in storage but what the table's present version shows: hidden rows are written out, every other file is deleted.

    Nobody may read or write beside it: a file that is not committed yet goes, too. Time travel to before ends. Raises StillHidden.
    """
    _write_out_hidden(tables, layer, name)
    with spark_errors(f"vacuuming {layer}/{name}"), tables.settings(VACUUM | _NOTHING_KEPT):
        tables.spark.sql(f"VACUUM {tables.sql_name(layer, name)} RETAIN 0 HOURS").collect()


def _write_out_hidden(tables: LakeTables, layer: str, name: str) -> None:
    """Writes each file anew of which a deletion vector hides rows, and no other.

    By a MERGE that changes a row of each and nothing in it. Delta's REORG … APPLY (PURGE) opens every file of the table to look for dropped columns, and in
    4.4.0 asks for a session where it does so, which the workers of a cluster have not; its OPTIMIZE writes no file anew alone.
    """
    names = _hiding(tables, layer, name)
    if not names:
        return
    rows = tables.read(layer, name)
    with spark_errors(f"writing out hidden rows of {layer}/{name}"):
        whole = [field.name for field in rows.schema.fields if not isinstance(field.dataType, MapType)]
    columns = [column for column in _IDENTITY if column in whole] if _IDENTITY[0] in whole else whole
    chosen = tables.spark.createDataFrame([(each,) for each in sorted(names)], "file STRING")
    one_of_each: DataFrame = (
        rows.select(sf.xxhash64(*columns).alias("row"), sf.col("_metadata.file_name").alias("file"))
        .join(sf.broadcast(chosen), "file", "left_semi")
        .groupBy("file")
        .agg(sf.any_value("row").alias("row"))
        .select("row")
        .distinct()
    )
    view, same = f"purge_{uuid.uuid4().hex}", quoted(whole[0])
    row = f"xxhash64({', '.join(f't.{quoted(column)}' for column in columns)})"
    with spark_errors(f"writing out hidden rows of {layer}/{name}"), tables.settings(WRITTEN_ANEW):
        one_of_each.createOrReplaceTempView(view)
        try:
            tables.spark.sql(
                f"MERGE INTO {tables.sql_name(layer, name)} AS t USING {view} AS s ON {row} = s.row WHEN MATCHED THEN UPDATE SET t.{same} = t.{same}"
            ).collect()
        finally:
            tables.spark.catalog.dropTempView(view)
    if left := _hiding(tables, layer, name):
        raise StillHidden(f"{layer}/{name}", len(left))


def _hiding(tables: LakeTables, layer: str, name: str) -> set[str]:
    """The names of the files of which rows are hidden."""
    return {file.name for file in snapshot(tables.logs, (layer, name)).files if file.hidden}


def set_properties(tables: LakeTables, layer: str, name: str, properties: Mapping[str, str]) -> None:
    """Changes properties of a table. Nobody may write beside it: whoever does fails."""
    with spark_errors(f"setting properties of {layer}/{name}"):
        tables.spark.sql(f"ALTER TABLE {tables.sql_name(layer, name)} SET TBLPROPERTIES ({properties_sql(properties)})").collect()

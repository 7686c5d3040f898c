"""How far each process of the lake is: one row a name in `ops/progress`, so that no cost grows with history.

Belongs here: reading and writing those rows. Not here: what the names mean (their modules say).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import Row
from pyspark.sql import functions as sf

from lake_assets.transforms import schemas
from resources.errors import SparkFailed
from resources.spark import spark_errors
from resources.tables import LakeTables, is_absent

NAME = "progress"
COLUMNS = [name for name, *_ in schemas.PROGRESS]


@dataclass(frozen=True)
class Progress:
    """Where a process is."""

    name: str
    position: int | None
    note: str | None


def ensure(tables: LakeTables) -> None:
    """Makes the table if there is none."""
    tables.ensure("ops", NAME, schemas.struct(schemas.PROGRESS), partition_by=("name",))


def read_all(tables: LakeTables) -> dict[str, Progress]:
    """Every process' progress, by name."""
    with spark_errors("reading the progress"):
        rows = tables.read("ops", NAME).select(*COLUMNS).collect()
    return {row.name: _progress(row) for row in rows}


def find(tables: LakeTables, name: str) -> Progress | None:
    """As `read`, and None also in a lake that has no tables yet."""
    try:
        return read(tables, name)
    except SparkFailed as error:
        if is_absent(error.condition):
            return None
        raise


def find_some(tables: LakeTables, names: Iterable[str]) -> dict[str, Progress]:
    """Several processes' progress in one look, by name; nothing in a lake that has no tables yet."""
    try:
        with spark_errors("reading the progress"):
            rows = tables.read("ops", NAME).where(sf.col("name").isin(*names)).select(*COLUMNS).collect()
    except SparkFailed as error:
        if is_absent(error.condition):
            return {}
        raise
    return {row.name: _progress(row) for row in rows}


def read(tables: LakeTables, name: str) -> Progress | None:
    """One process' progress, or None before its first step."""
    with spark_errors("reading the progress"):
        rows = tables.read("ops", NAME).where(sf.col("name") == name).select(*COLUMNS).collect()
    return _progress(rows[0]) if rows else None


def write(tables: LakeTables, name: str, *, position: int | None = None, note: str | None = None) -> None:
    """Sets one process' progress. Names are partitions: two processes never write the same file."""
    if "'" in name or "\\" in name:
        raise ValueError("a process' name stands in SQL: no quotes")
    row = tables.spark.createDataFrame([(name, position, note)], schemas.struct(schemas.PROGRESS))
    with spark_errors(f"writing the progress of {name}"):
        (
            row.coalesce(1)
            .write.format("delta")
            .mode("overwrite")
            .option("replaceWhere", f"name = '{name}'")
            .save(tables.path("ops", NAME))
        )


def _progress(row: Row) -> Progress:
    return Progress(row.name, row.position, row.note)

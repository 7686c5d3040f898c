"""How far each process of the lake is: one row a name in `ops/progress`, so that no cost grows with history.

Belongs here: reading and writing those rows. Not here: what the names mean (their modules say).
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import astuple, dataclass

from lake_assets.transforms import schemas
from resources.delta_snapshot import NoTable, NotPlain, small_rows
from resources.spark import spark_errors
from resources.tables import LakeTables

NAME = "progress"


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
    """Every process' progress, by name; nothing in a lake that has no tables yet."""
    return _read(tables, None)


def find_some(tables: LakeTables, names: Iterable[str]) -> dict[str, Progress]:
    """Several processes' progress in one look, by name; nothing in a lake that has no tables yet."""
    return _read(tables, frozenset(names))


def read(tables: LakeTables, name: str) -> Progress | None:
    """One process' progress; None before its first step, and in a lake that has no tables yet."""
    return _read(tables, frozenset([name])).get(name)


def _read(tables: LakeTables, names: Container[str | None] | None) -> dict[str, Progress]:
    """Without Spark: a statement takes a third of a second, and a run looks ten times."""
    columns = [name for name, *_ in schemas.PROGRESS]
    try:
        rows = small_rows(tables.logs, ("ops", NAME), lambda file: names is None or dict(file.partition)["name"] in names)
    except NoTable:
        return {}
    except NotPlain:
        with spark_errors("reading the progress"):
            found = tables.read("ops", NAME).select(*columns).collect()
        rows = [row.asDict() for row in found if names is None or row["name"] in names]
    return {row["name"]: Progress(row["name"], row["position"], row["note"]) for row in rows}


def write(tables: LakeTables, name: str, *, position: int | None = None, note: str | None = None) -> None:
    """Sets one process' progress. Names are partitions: two processes never write the same file."""
    write_all(tables, [Progress(name, position, note)])


def write_all(tables: LakeTables, rows: Iterable[Progress]) -> None:
    """Sets the progress of several processes in one commit."""
    rows = list(rows)
    names = sorted(row.name for row in rows)
    if any("'" in name or "\\" in name for name in names):
        raise ValueError("a process' name stands in SQL: no quotes")
    frame = tables.spark.createDataFrame([astuple(row) for row in rows], schemas.struct(schemas.PROGRESS))
    with spark_errors(f"writing the progress of {', '.join(names)}"):
        (
            frame.coalesce(1)
            .write.format("delta")
            .mode("overwrite")
            .option("replaceWhere", "name IN ({})".format(", ".join(f"'{name}'" for name in names)))
            .save(tables.path("ops", NAME))
        )

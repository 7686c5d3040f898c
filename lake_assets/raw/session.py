"""How Spark runs small work: without compiling it first.

Belongs here: from what size on, and for how long. Not here: the settings, opening sessions (resources/spark.py).

Spark generates Java for each query and compiles it. A batch's number is a constant in that code, so each batch pays anew, and for a few
thousand rows the compiler costs more than the rows: measured on 2 cores, a batch's bronze took 1.9 s of processor time instead of 4.2, a
MERGE 1.1 s instead of 2.1. At 200,000 rows it is the other way round, be they the batch's or the table's that it goes to. One task, planned once, saved another fifth over planning each stage anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from pyspark.sql import SparkSession

from resources.delta_snapshot import snapshots
from resources.spark import FEW_TASKS, SMALL_WORK
from resources.tables import LakeTables

SMALL_EVENTS = 50_000
SMALL_BYTES = 3 << 20
"""Of compressed objects: about as many events."""


MIDDLE_BYTES = 16 << 20
"""Of a table: to plan once, one task a stage, was measured with 100,000 rows. What is larger is planned stage by stage."""


@contextmanager
def interpreted(spark: SparkSession, small: bool = True) -> Iterator[None]:
    """Runs the session's queries without generated code, if the work is small. Not to be nested."""
    with _settings(spark, SMALL_WORK if small else {}):
        yield


@contextmanager
def suited(tables: LakeTables, events: int, layer: str, name: str) -> Iterator[None]:
    """Runs the session's queries as suits so many events that go to a table: of few events into a small one nothing is compiled, into one of middle size they are planned once."""
    size = _size(tables, [f"{layer}/{name}"]) if events < SMALL_EVENTS else MIDDLE_BYTES
    with _settings(tables.spark, SMALL_WORK if size < SMALL_BYTES else FEW_TASKS if size < MIDDLE_BYTES else {}):
        yield


def are_small(tables: LakeTables, names: Iterable[str]) -> bool:
    """Whether tables, `layer/name` each, are so small that compiling a statement over one costs more than its rows. One that is not there is small."""
    return _size(tables, names) < SMALL_BYTES


def is_small(tables: LakeTables, layer: str, name: str) -> bool:
    """The same of one."""
    return are_small(tables, [f"{layer}/{name}"])


def _size(tables: LakeTables, names: Iterable[str]) -> int:
    """The bytes of the largest, by its log: Spark's DESCRIBE DETAIL takes a second."""
    found = snapshots(tables.logs, ((layer, table) for layer, table in (name.split("/", 1) for name in names)))
    return max((sum(file.size for file in each.files) for each in found.values()), default=0)


@contextmanager
def _settings(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    try:
        for name, value in settings.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name in settings:
            spark.conf.unset(name)

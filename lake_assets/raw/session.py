"""How Spark runs small work: without compiling it first.

Belongs here: from what size on, and for how long. Not here: the settings, opening sessions (resources/spark.py).

Spark generates Java for each query and compiles it. A batch's number is a constant in that code, so each batch pays anew, and for a few
thousand rows the compiler costs more than the rows: measured on 2 cores, a batch's bronze took 1.9 s of processor time instead of 4.2, a
MERGE 1.1 s instead of 2.1. At 200,000 rows it is the other way round, be they the batch's or the table's that it goes to. One task, planned once, saved another fifth over planning each stage anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from resources.spark import SMALL_WORK, spark_errors
from resources.tables import LakeTables

SMALL_EVENTS = 50_000
SMALL_BYTES = 3 << 20
"""Of compressed objects: about as many events."""


@contextmanager
def interpreted(spark: SparkSession, small: bool = True) -> Iterator[None]:
    """Runs the session's queries without generated code, if the work is small. Not to be nested."""
    if not small:
        yield
        return
    try:
        for name, value in SMALL_WORK.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name in SMALL_WORK:
            spark.conf.unset(name)


def is_small(tables: LakeTables, layer: str, name: str) -> bool:
    """Whether a table is so small that compiling a statement over it costs more than its rows."""
    with spark_errors(f"looking at the size of {layer}/{name}"):
        detail = tables.spark.sql(f"DESCRIBE DETAIL {tables.sql_name(layer, name)}").collect()[0]
    return bool(detail.sizeInBytes < SMALL_BYTES)


def are_small(tables: LakeTables, names: Iterable[str]) -> bool:
    """The same of several, `layer/name` each."""
    return all(is_small(tables, *name.split("/", 1)) for name in names)

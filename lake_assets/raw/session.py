"""How Spark runs small work: without compiling it first.

Belongs here: the session's settings for a unit of work. Not here: opening sessions (resources/spark.py).

Spark generates Java for each query and compiles it. A batch's number is a constant in that code, so each batch pays anew, and for a few
thousand rows the compiler costs more than the rows: measured on 2 cores, a batch's bronze took 1.9 s of processor time instead of 4.2, a
MERGE 1.1 s instead of 2.1. At 200,000 rows it is the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

SMALL_EVENTS = 50_000
SMALL_BYTES = 3 << 20
"""Of compressed objects: about as many events."""

_INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # One task, planned once: planning each stage anew, with the sizes of the last, cost another fifth.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
}


@contextmanager
def interpreted(spark: SparkSession, small: bool = True) -> Iterator[None]:
    """Runs the session's queries without generated code, if the work is small. Not to be nested."""
    if not small:
        yield
        return
    try:
        for name, value in _INTERPRETED.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name in _INTERPRETED:
            spark.conf.unset(name)

"""Who is to be erased: `ops/erased`, from erase events and from an operator's list.

Belongs here: reading and writing that table. Not here: which of a person's events go (events.py).

A request has no position yet; the erasure that takes it up gives it one. It is done when it has the number of its erasure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.erasure.codes import PERSON, digest_column
from lake_assets.raw.session import interpreted
from lake_assets.transforms import schemas
from publisher.contracts import Contract
from resources.spark import spark_errors
from resources.tables import LakeTables

ERASE = "erase"
PERSON_ASKED, ROW_ASKED, PART = "person", "row", "part"
"""What a digest stands for; a part is a row that goes with its person, and was not asked for by itself."""


@dataclass(frozen=True)
class Asked:
    """Up to which position a digest's events go (None: where an operator asked, until an erasure takes it up), and what it stands for."""

    upto: int | None
    what: str


Pending = dict[str, Asked]
"""What waits, by digest. Once it is taken up, each has its position."""


def ask(tables: LakeTables, digests: Iterable[str]) -> int:
    """An operator's request to erase persons; how many of them were not waiting already."""
    with interpreted(tables.spark):
        fresh = set(digests) - _waiting(tables).keys()
        _append(tables, {digest: Asked(None, PERSON_ASKED) for digest in fresh})
    return len(fresh)


def waiting(tables: LakeTables) -> int:
    """How many requests wait."""
    with interpreted(tables.spark):
        return len(_waiting(tables))


def from_events(
    tables: LakeTables, contracts: Mapping[str, Contract], after_batch: int, upto_batch: int, again: Collection[int] = ()
) -> Pending:
    """What the erase events of these batches name, and of those that were loaded `again`, each with its highest position."""
    found: list[DataFrame] = []
    looked_at = sf.col("_batch").between(after_batch + 1, upto_batch)
    if again:
        looked_at = looked_at | sf.col("_batch").isin(*again)
    for entity in contracts:
        events = tables.read("bronze", entity).where(looked_at & (sf.col("_op") == ERASE))
        row, person = digest_column(entity, sf.col("_key")), digest_column(PERSON, sf.col("_subject"))
        what = sf.when(sf.col("_subject").isNull(), ROW_ASKED).otherwise(PERSON_ASKED)
        found.append(events.select(sf.coalesce(person, row).alias("code"), what.alias("what"), sf.col("_seq").alias("seq")))
    with spark_errors("looking for erase events"):
        rows = reduce(DataFrame.union, found).groupBy("code", "what").agg(sf.max("seq").alias("seq")).collect() if found else []
    return {row.code: Asked(row.seq, row.what) for row in rows}


def take_up(tables: LakeTables, named: Pending, position: int) -> Pending:
    """Notes what erase events name, gives operators' requests the `position` up to which bronze has come, and returns all that waits.

    Repeated with the same, it changes nothing: a request that has its position keeps it.
    """
    there = _waiting(tables)
    wanted = {code: Asked(asked.upto or position, asked.what) for code, asked in there.items()}
    for code, asked in named.items():
        known = there.get(code)
        higher = max(asked.upto or 0, (known and known.upto) or 0)
        wanted[code] = Asked(higher, asked.what)
    _append(tables, {code: asked for code, asked in wanted.items() if there.get(code) != asked})
    return wanted


def note_parts(tables: LakeTables, parts: Mapping[str, int], pending: Pending) -> Pending:
    """Adds the rows that go with their person, so that a late delete which names no person is known for theirs; all that waits."""
    fresh = {code: Asked(upto, PART) for code, upto in parts.items() if code not in pending}
    _append(tables, fresh)
    return pending | fresh


def done(tables: LakeTables) -> Pending:
    """Everybody who was ever erased: for what came of them since."""
    with spark_errors("reading who was erased"):
        return {row.code: Asked(row.seq, row.what) for row in _rows(tables).where("erasure IS NOT NULL").collect()}


def settle(tables: LakeTables, taken: Iterable[str], erasure: int) -> None:
    """Marks what an erasure has taken up as done, one row a digest. Who was asked for meanwhile waits on."""
    codes = tables.spark.createDataFrame([(code,) for code in sorted(set(taken))], "code STRING").coalesce(1)
    rows = _rows(tables).join(sf.broadcast(codes.withColumn("taken", sf.lit(True))), "code", "left")
    waits = sf.col("erasure").isNull() & sf.col("taken").isNull()
    number = sf.when(sf.bool_or(sf.col("erasure").isNull()), sf.lit(erasure)).otherwise(sf.max("erasure"))
    whole = rows.withColumn("waits", waits).groupBy("code", "waits").agg(
        sf.max_by("what", sf.coalesce("seq", sf.lit(0))).alias("what"), sf.max("seq").alias("seq"), sf.min("asked_at").alias("asked_at"),
        sf.when(~sf.first("waits"), number).cast("bigint").alias("erasure"),
    )  # fmt: skip
    with spark_errors("noting what was erased"):
        tables.overwrite("ops", "erased", whole.select(*(name for name, *_ in schemas.ERASED)).coalesce(1))


def _waiting(tables: LakeTables) -> Pending:
    with spark_errors("looking for who is to be erased"):
        rows = _rows(tables).where("erasure IS NULL").collect()
    found: Pending = {}
    for row in rows:
        known = found.get(row.code)
        found[row.code] = Asked(max(row.seq or 0, (known and known.upto) or 0) or None, row.what)
    return found


def _append(tables: LakeTables, asked: Pending) -> None:
    now = datetime.now(UTC)
    rows = [(code, each.what, each.upto, now, None) for code, each in sorted(asked.items())]
    if rows:
        with spark_errors("noting who is to be erased"):
            frame = tables.spark.createDataFrame(rows, schemas.struct(schemas.ERASED)).coalesce(1)
            frame.write.format("delta").mode("append").save(tables.path("ops", "erased"))


def _rows(tables: LakeTables) -> DataFrame:
    return tables.read("ops", "erased")

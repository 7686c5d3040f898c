"""Which of several events holds: the one rule behind silver and history.

Belongs here: the order of events, and choosing by it. Not here: writing tables.

The order is (`_seq`, version of `_contract`, `_digest`): total over different contents, so that any arrival gives the same winner.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from publisher.wire import DELETES

IS_DELETE = f"_op IN ({', '.join(repr(op) for op in sorted(DELETES))})"


def order_sql(seq: str, contract: str, digest: str) -> str:
    """What is compared, as SQL: versions as numbers, so that 1.10.0 comes after 1.9.0."""
    version = rf"transform(split({contract}, '[.]'), part -> CAST(part AS INT))"
    return f"struct({seq} AS seq, {version} AS version, {digest} AS digest)"


ORDER = order_sql("_seq", "_contract", "_digest")


def is_delete() -> Column:
    return sf.expr(IS_DELETE)


def winners(events: DataFrame, *keys: str) -> DataFrame:
    """The winning row of each group of `keys`, whole."""
    best = sf.max_by(sf.struct(*(sf.col(name) for name in events.columns)), sf.expr(ORDER)).alias("row")
    return events.groupBy(*keys).agg(best).select("row.*")


def tombstones(events: DataFrame) -> DataFrame:
    """The last delete of each key of each `entity` that has one: rows of `ops/tombstones`."""
    return winners(events.where(is_delete()), "entity", "_key").select(
        "entity",
        sf.col("_key").alias("key"),
        sf.col("_seq").alias("seq"),
        sf.col("_contract").alias("contract"),
        sf.col("_digest").alias("digest"),
    )

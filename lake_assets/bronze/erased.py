"""What a batch brings of persons who were erased: not loaded, and counted.

Belongs here: telling their events from the others, and noting them. Not here: erasing anybody (erasure/), the load's order (`load.py`).

A late object, a repeated batch or a rollback would bring a person back. So a load asks `ops/erased`, by digests of codes; as long as nobody was ever
erased it does not ask.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lake_assets.erasure.codes import PERSON, digest_column
from lake_assets.raw.batches import Batch
from lake_assets.transforms.winners import IS_DELETE
from publisher.wire import BUCKETS
from resources.spark import spark_errors
from resources.tables import LakeTables

DROPPED, REMOVED, CLEANED = "dropped", "removed", "cleaned"
"""How an event came to be an adjustment. One that a load dropped is cleaned once an erasure has cut its line out of the raw object: then no batch reads it any more."""


def tell_apart(
    tables: LakeTables,
    batch: Batch,
    events: Mapping[str, DataFrame],
    names: Mapping[str, Sequence[str]],
    *,
    again: bool = False,
    kept: Iterable[str] = (),
) -> tuple[dict[str, DataFrame], Counter[str]]:
    """Each entity's rows of bronze without those of erased persons; those are noted, and counted by entity. Repeated, it changes nothing.

    `names` are all that an entity has had. `again`: what was noted of the batch is noted anew, but of the objects that are gone (`kept`), and but
    what an erasure removed or cleaned.
    """
    if not batch.erasures or not events:
        return dict(events), Counter()
    erased = sf.broadcast(tables.read("ops", "erased").groupBy("code").agg(sf.max("seq").alias("upto")).where("upto IS NOT NULL"))
    marked = {entity: _marked(frame, names[entity], erased) for entity, frame in events.items()}
    theirs = [
        frame.where("upto IS NOT NULL").select(
            sf.lit(entity).alias("entity"), sf.col("_seq").alias("seq"), sf.col("_digest").alias("digest"),
            bucket().alias("bucket"), "upto", sf.lit(DROPPED).alias("how"), sf.lit(None).cast("bigint").alias("erasure"),
            "_object", "_batch",
        )
        for entity, frame in marked.items()
    ]  # fmt: skip
    noted = reduce(DataFrame.union, theirs).persist()
    try:
        with spark_errors(f"looking for events of erased persons in batch {batch.number}"):
            found = Counter({row.entity: row["count"] for row in noted.groupBy("entity").count().collect()})
        if not found:
            return dict(events), found
        if again:
            stays = tables.read("ops", "adjustments").where(sf.col("_batch") == batch.number)
            stays = stays.where((sf.col("how") != DROPPED) | sf.col("_object").isin(*kept))
            anew = noted.unionByName(stays).coalesce(1)
            tables.replace_batch("ops", "adjustments", anew, batch=batch.number, generation=batch.generation)
        else:
            tables.append("ops", "adjustments", noted.coalesce(1), batch=batch.number, generation=batch.generation)
    finally:
        noted.unpersist()
    left = {entity: marked[entity].where("upto IS NULL").select(*frame.columns) for entity, frame in events.items()}
    return left, found


def bucket() -> Column:
    """In which of the parts that the platform digests a row is: its code, to eight bits."""
    return sf.xxhash64("_key").bitwiseAND(sf.lit(BUCKETS - 1))


def _marked(frame: DataFrame, names: Sequence[str], erased: DataFrame) -> DataFrame:
    """Adds `upto`, for an event that is theirs: by its person, or by its key where it names no person."""
    nobody, present, *former = sf.col("_subject").isNull(), *names
    of = sf.when(nobody, digest_column(present, sf.col("_key"))).otherwise(digest_column(PERSON, sf.col("_subject")))
    joined = frame.withColumn("code", of).join(erased, "code", "left").drop("code")
    before = erased.withColumnRenamed("upto", "before")
    for name in former:  # a row's digest holds the name that its entity had when it was erased
        by_former = joined.withColumn("code", sf.when(nobody, digest_column(name, sf.col("_key")))).join(before, "code", "left")
        joined = by_former.withColumn("upto", sf.greatest("upto", "before")).drop("code", "before")
    theirs = (sf.col("_seq") <= sf.col("upto")) | sf.expr(IS_DELETE)
    return joined.withColumn("upto", sf.when(theirs, sf.col("upto")))

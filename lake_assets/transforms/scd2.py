"""The history of a key: one row for each of its changes, each with the span in which it held.

Belongs here: from events to spans. Not here: which keys to look at, writing (`silver/history.py`).
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as sf

from lake_assets.transforms.winners import is_delete, winners


def spans(events: DataFrame, columns: list[str]) -> DataFrame:
    """The history rows (`columns`) of all keys in `events`, which has the record's columns and the envelope's.

    Ordered by `_seq`; of two contents of one `_seq` the winner's rule picks one. `_valid_from` is the running maximum of
    `_committed_at`, so that a clock which stepped back makes an empty span and never a negative one.
    """
    ordered = Window.partitionBy("_key").orderBy("_seq")
    running = ordered.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    return (
        winners(events, "_key", "_seq")
        .withColumn("_valid_from", sf.max("_committed_at").over(running))
        .withColumn("_seq_to", sf.lead("_seq").over(ordered))
        .withColumn("_valid_to", sf.lead("_valid_from").over(ordered))
        .withColumn("_is_current", sf.col("_seq_to").isNull() & ~is_delete())
        .withColumnRenamed("_seq", "_seq_from")
        .select(*columns)
    )

"""Canonical lines into typed rows.

Belongs here: the shape of bronze's rows, of manifests and of risk reports. Not here: whether a line may come in (`canonical.py`, `validate.py`).
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lake_assets.transforms.fields import EntityRule

PARSED = {"boolean": "BOOLEAN", "integer": "BIGINT"}
CASTS = {"date": "date", "timestamp": "timestamp"}


def typed_events(lines: DataFrame, rule: EntityRule, batch: int) -> DataFrame:
    """The rows of `bronze/<entity>` from `lines(object, line)`, all canonical lines of that entity, of whatever version.

    Columns are filled by name: what a former version lacks is null, what it had and the contract in force has not is left out.
    `_digest` is the XXH64 (seed 42) of the line, as a signed number. A delete has nulls in the record's columns.
    """
    event = _parsed(lines, rule)
    record = [_typed(sf.col("event.record")[field.name], field.type).alias(field.name) for field in rule.fields]
    subject = sf.col("event.subject") if rule.has_subject else sf.lit(None).cast("string")
    return event.select(
        *record,
        sf.col("event.op").alias("_op"),
        sf.col("event.key").alias("_key"),
        sf.col("event.seq").alias("_seq"),
        subject.alias("_subject"),
        _typed(sf.col("event.committed_at"), "timestamp").alias("_committed_at"),
        sf.col("event.contract").alias("_contract"),
        sf.xxhash64("line").alias("_digest"),
        sf.col("object").alias("_object"),
        sf.lit(batch).cast("bigint").alias("_batch"),
    )


def typed_records(lines: DataFrame, rule: EntityRule, batch: int) -> DataFrame:
    """The rows of what the publisher tells of itself (`ops/manifests`, `ops/risk`): the record's fields, and where each came from."""
    event = _parsed(lines, rule)
    about, *others = rule.fields
    of = sf.col("event.record")[about.name]
    for was, now in rule.renamed:
        of = sf.when(of == was, now).otherwise(of)
    record = [
        of.alias(about.name),
        *(_typed(sf.col("event.record")[field.name], field.type).alias(field.name) for field in others),
    ]
    return event.select(*record, sf.col("object").alias("_object"), sf.lit(batch).cast("bigint").alias("_batch"))


def _parsed(lines: DataFrame, rule: EntityRule) -> DataFrame:
    # Numbers and booleans as such: to give one as text Spark makes a JSON writer for each. Canonical ones always fit.
    record = ", ".join(f"`{field.name}`: {PARSED.get(field.type, 'STRING')}" for field in rule.fields)
    schema = f"op STRING, key STRING, seq BIGINT, subject STRING, committed_at STRING, contract STRING, record STRUCT<{record}>"
    return lines.select("object", "line", sf.from_json("line", schema).alias("event"))


def _typed(value: Column, kind: str) -> Column:
    return value.try_cast(CASTS[kind]) if kind in CASTS else value

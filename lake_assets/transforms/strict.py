"""The slow path of bronze: the reference validator, run by Spark's Python workers over the lines that are not canonical.

Belongs here: carrying `validate.py` to the workers. Not here: any rule.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake_assets.transforms import validate
from lake_assets.transforms.validate import Accepted, Rules

JUDGED_SCHEMA = (
    "object STRING, entity STRING, line STRING, reason STRING, fields ARRAY<STRING>, seq BIGINT, digest STRING, length BIGINT"
)
"""One row a JSON value. Accepted: `entity` and its canonical `line`, no `reason`. Refused: a `reason`, and no `line`."""

_ARROW = pa.schema(
    [
        ("object", pa.string()),
        ("entity", pa.string()),
        ("line", pa.string()),
        ("reason", pa.string()),
        ("fields", pa.list_(pa.string())),
        ("seq", pa.int64()),
        ("digest", pa.string()),
        ("length", pa.int64()),
    ]
)


def judged(lines: DataFrame, rules: Rules) -> DataFrame:
    """Judges the values of `lines(object, line)`: rows of JUDGED_SCHEMA, as many as there are JSON values.

    A remote cluster's workers have no `lake_assets`: the validator goes with the plan.
    """
    cloudpickle.register_pickle_by_value(validate)
    raw = lines.select("object", F.col("line").cast("binary").alias("raw"))
    return raw.mapInArrow(_judge(rules), JUDGED_SCHEMA)


def _judge(rules: Rules):  # type: ignore[no-untyped-def]
    judge_line, accepted, schema = validate.judge_line, Accepted, _ARROW

    def over(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = []
            for name, raw in zip(batch.column(0).to_pylist(), batch.column(1), strict=True):
                for outcome in judge_line(raw.as_py(), rules):
                    if isinstance(outcome, accepted):
                        rows.append({"object": name, "entity": outcome.entity, "line": outcome.line})
                    else:
                        rows.append({"object": name, **vars(outcome), "fields": list(outcome.fields)})
            if rows:
                yield pa.RecordBatch.from_pylist(rows, schema=schema)

    # Cloudpickle sends what is reachable by name from a module by reference: this function has no module of its own there.
    over.__module__ = "__main__"
    return over

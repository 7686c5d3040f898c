"""The slow path of bronze: the reference validator, run by Spark's Python workers over the lines that are not canonical.

Belongs here: carrying `validate.py` to the workers. Not here: any rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from pyspark import cloudpickle
from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.transforms import fields, validate
from lake_assets.transforms.fields import Rules

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
    """Judges the values of `lines(object, line)` in Spark's workers: rows of JUDGED_SCHEMA, as many as there are JSON values."""
    return _raw(lines).mapInArrow(by_value(rules), JUDGED_SCHEMA)


def judged_here(lines: DataFrame, rules: Rules) -> DataFrame:
    """The same for a few lines, in this process: Spark's first Python worker alone costs two seconds."""
    rows = [row for name, raw in _raw(lines).collect() for row in _outcomes(name, bytes(raw), rules)]
    return lines.sparkSession.createDataFrame(pa.Table.from_pylist(rows, schema=_ARROW))


def _raw(lines: DataFrame) -> DataFrame:
    return lines.select("object", sf.col("line").cast("binary").alias("raw"))


def _outcomes(name: str, raw: bytes, rules: Rules) -> Iterator[dict[str, Any]]:
    for outcome in validate.judge_line(raw, rules):
        yield {"object": name, **validate.as_row(outcome)}


def by_value(rules: Rules) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The validator over Arrow batches of `(object, raw)`, such that its pickle holds all of it.

    A remote cluster's workers have no `lake_assets`, and would fail at a reference to it.
    """
    for module in (fields, validate):
        cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
    judge_line, as_row, schema = validate.judge_line, validate.as_row, _ARROW

    def over(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [
                {"object": name.as_py(), **as_row(outcome)}
                for name, raw in zip(batch.column(0), batch.column(1), strict=True)
                for outcome in judge_line(raw.as_py(), rules)
            ]
            if rows:
                yield pa.RecordBatch.from_pylist(rows, schema=schema)

    # What has a module is sent as a reference to it, and there it is not installed.
    over.__module__ = "__main__"
    return over

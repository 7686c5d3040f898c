"""The lines of a batch's objects: read once, each told whether it is canonical, the others judged.

Belongs here: reading, and what of it cannot be read. Not here: what is written (`load.py`), judging one object (`objects.py`) or line
(`transforms/`).
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as sf
from pyspark.sql.types import BinaryType, StringType, StructField, StructType

from lake_assets.bronze.batch_rows import Span
from lake_assets.bronze.conservation import held_by_object, widened
from lake_assets.bronze.fetched import Fetched, fetch
from lake_assets.bronze.objects import EMPTY, GONE, OVERWRITTEN, SPACE, BadObject, bad_objects, changed_objects, unreadable_names
from lake_assets.raw.batches import Batch, RawObject
from lake_assets.transforms.canonical import entity_of, is_canonical, parsed_schema, present_name
from lake_assets.transforms.fields import Rules
from lake_assets.transforms.rules import TOLD
from lake_assets.transforms.strict import judged, judged_here
from resources.landing import Landing
from resources.spark import spark_errors
from resources.tables import LakeTables

_IN_TASKS = {"spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.ConvertToLocalRelation"}
"""Else Spark's planner works out what is asked of rows that come with a statement, in one thread and interpreted."""

_FETCHED = StructType([StructField("object", StringType()), StructField("raw", BinaryType())])
MAX_KEY = 1024
"""S3's limit."""


@dataclass(frozen=True)
class Lines:
    """The lines of the objects that are whole: `frame(object, line, entity, canonical, seq)`, cached.

    `accepted` and `spans` are of the canonical ones. `earlier` is what the tables hold of objects that are there no more, `kept`.
    """

    frame: DataFrame
    bad: list[BadObject]
    accepted: Counter[str]
    spans: dict[str, Span]
    unclear_bytes: int
    earlier: Counter[str]
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Judged:
    """The outcome of the strict validator: `rows` of JUDGED_SCHEMA, cached, or None where no line was unclear."""

    rows: DataFrame | None
    accepted: Counter[str]
    refused: Counter[str]
    spans: dict[str, Span]


@contextmanager
def read_lines(tables: LakeTables, landing: Landing, rules: Rules, batch: Batch, fetched_bytes: int) -> Iterator[Lines]:
    """Reads the batch's objects: up to `fetched_bytes` of them in this process, more in Spark.

    A repeated load may find an object gone that it had loaded: its rows are there, so it is not bad.
    """
    bad = unreadable_names(batch.objects)
    named = _without(batch.objects, bad)
    frame = None
    try:
        here = fetch(landing, named) if sum(each.size_bytes for each in named) <= fetched_bytes else None
        if here is None:
            frame, kinds, unread = _read_by_spark(tables, landing, rules, batch.number, named)
        else:
            unread = here.bad
            with spark_errors(f"reading the lines of batch {batch.number}"), tables.settings(_IN_TASKS):
                frame, kinds = _judge(_as_frame(tables, here), rules)
        bad += unread
        names = {kind.object for kind in kinds}
        kept = {landed.key for landed in _without(batch.objects, bad)}
        whole = frame.where(~sf.col("object").isin(*lost)) if (lost := names - kept) else frame
        accepted: Counter[str] = Counter()
        spans: dict[str, Span] = {}
        for kind in kinds:
            if kind.object in kept and kind.canonical:
                accepted[kind.entity] += kind.lines
                spans = widened(spans, {kind.entity: (kind.low, kind.high)})
        unclear_bytes = sum(kind.size for kind in kinds if kind.object in kept and not kind.canonical)
        bad, earlier, loaded = _loaded_before(tables, rules, batch, bad)
        yield Lines(whole, bad, accepted, spans, unclear_bytes, earlier, loaded)
    finally:
        if frame is not None:
            frame.unpersist()


def _read_by_spark(
    tables: LakeTables, landing: Landing, rules: Rules, number: int, objects: list[RawObject]
) -> tuple[DataFrame, list[Row], list[BadObject]]:
    """Reads objects, once if all are whole; finds the bad ones when Spark could not."""
    bad: list[BadObject] = []
    try:
        frame, kinds = _judge(_as_text(tables, landing, objects), rules)
    except PySparkException as error:
        bad = bad_objects(landing, objects)
        with spark_errors(f"reading the objects of batch {number}"):
            if not bad:
                raise error from None
            frame, kinds = _judge(_as_text(tables, landing, _without(objects, bad)), rules)
    try:
        return frame, kinds, bad + _changed_or_silent(landing, _without(objects, bad), {kind.object for kind in kinds})
    except BaseException:
        frame.unpersist()
        raise


def _changed_or_silent(landing: Landing, objects: list[RawObject], names: set[str]) -> list[BadObject]:
    """Of objects that Spark has read, those that are bad all the same; it found lines in those of `names`."""
    # An object may have been replaced while it was read, and then holds what the ledger does not know.
    bad = changed_objects(landing, objects)
    # One that an erasure wrote anew may hold nothing any more.
    if silent := [each for each in _without(objects, bad) if each.key not in names and not each.rewritten]:
        seen = {found.object: found for found in bad_objects(landing, silent)}
        bad += [seen.get(landed, BadObject(landed, EMPTY)) for landed in silent]
    return bad


def _as_text(tables: LakeTables, landing: Landing, objects: Iterable[RawObject]) -> DataFrame:
    """`(object, line)` of objects that Spark reads."""
    keys = sorted({landed.key for landed in objects})
    if not keys:
        return tables.spark.createDataFrame([], "object STRING, line STRING")
    # Only "\n" ends a line: a carriage return is white space inside JSON.
    text = tables.spark.read.option("lineSep", "\n").text([landing.path(key) for key in keys])
    # Names as Firehose gives them need no decoding, which would be done for each line.
    path = sf.col("_metadata.file_path")
    name = sf.when(path.contains("%"), sf.url_decode(sf.replace(path, sf.lit("+"), sf.lit("%2B")))).otherwise(path)
    return text.select(name.substr(len(landing.path("")) + 1, MAX_KEY).alias("object"), sf.col("value").alias("line"))


def _as_frame(tables: LakeTables, here: Fetched) -> DataFrame:
    """The same of what was fetched. As binary, since a line need not be UTF-8."""
    return tables.spark.createDataFrame(here.lines, _FETCHED).select("object", sf.col("raw").cast("string").alias("line"))


def _judge(lines: DataFrame, rules: Rules) -> tuple[DataFrame, list[Row]]:
    """The lines, each judged, and of each kind of each object a row `(object, entity, canonical, lines, size, low, high)`."""
    line, canonical = sf.col("line"), is_canonical(sf.col("line"), sf.col("entity"), sf.col("parsed"), rules)
    judged_lines = (
        # Asked of few: a canonical line begins with a brace.
        lines.where(line.startswith("{") | (sf.btrim(line, sf.lit(SPACE.decode())) != ""))
        .select("object", "line", entity_of(line).alias("entity"), sf.from_json(line, parsed_schema(rules)).alias("parsed"))
        .select(
            "object",
            "line",
            present_name(sf.col("entity"), rules).alias("entity"),
            canonical.alias("canonical"),
            sf.col("parsed.seq").alias("seq"),
        )
    )
    frame = analysed_once(judged_lines).persist()
    try:
        counted = [
            *(sf.count("*").alias("lines"), sf.sum(sf.octet_length("line")).alias("size")),
            *(sf.min("seq").alias("low"), sf.max("seq").alias("high")),
        ]
        return frame, frame.groupBy("object", "entity", "canonical").agg(*counted).collect()
    except PySparkException:
        frame.unpersist()
        raise


def analysed_once(frame: DataFrame) -> DataFrame:
    """The same rows by the name of a temporary view, which ends with the session.

    Over Connect each statement sends all that it is made of, and the server resolves it anew: of the rules' expressions that took two fifths
    of a small batch's planning, once for each table. A view is resolved when it is made, and found in the cache as well.
    """
    view = f"lines_{uuid.uuid4().hex}"
    frame.createOrReplaceTempView(view)
    return frame.sparkSession.table(view)


def _loaded_before(
    tables: LakeTables, rules: Rules, batch: Batch, bad: list[BadObject]
) -> tuple[list[BadObject], Counter[str], frozenset[str]]:
    """Takes from the bad objects those that were whole when an earlier try wrote their rows; how many rows, by table, and which objects.

    If that try died between two tables, what it had not written is lost with the object: then its range's manifest does not agree.
    """
    changed = {found.object.key for found in bad if found.reason in (GONE, OVERWRITTEN)}
    if not changed:
        return bad, Counter(), frozenset()
    held = held_by_object(tables, batch.number, [entity for entity in rules if entity not in TOLD], erasures=batch.erasures)
    # A single row of quarantine may tell of the object itself, which then was as bad before.
    loaded = {key for key in changed & held.keys() if held[key] - Counter(quarantine=1)}
    earlier: Counter[str] = Counter()
    for key in loaded:
        earlier.update(held[key])
    return [found for found in bad if found.object.key not in loaded], earlier, frozenset(loaded)


@contextmanager
def judge_unclear(lines: Lines, rules: Rules, few_bytes: int) -> Iterator[Judged]:
    """Judges the lines that are not canonical: up to `few_bytes` of them in this process, more in Spark's workers."""
    if not lines.unclear_bytes:
        yield Judged(None, Counter(), Counter(), {})
        return
    unclear = lines.frame.where("NOT canonical").select("object", "line")
    with spark_errors("fetching lines to validate"):
        strict = (judged_here if lines.unclear_bytes <= few_bytes else judged)(unclear, rules).persist()
    try:
        seq = sf.get_json_object("line", "$.seq").try_cast("bigint")
        with spark_errors("validating lines"):
            rows = strict.groupBy("entity", "reason").agg(
                sf.count("*").alias("lines"), sf.min(seq).alias("low"), sf.max(seq).alias("high")
            ).collect()  # fmt: skip
        refused: Counter[str] = Counter()
        for row in rows:
            if row.reason is not None:
                refused[row.reason] += row.lines
        good = [row for row in rows if row.reason is None]
        spans = {row.entity: (row.low, row.high) for row in good}
        yield Judged(strict, Counter({row.entity: row.lines for row in good}), refused, spans)
    finally:
        strict.unpersist()


def _without(objects: Iterable[RawObject], bad: list[BadObject]) -> list[RawObject]:
    lost = {b.object for b in bad}
    return [landed for landed in objects if landed not in lost]

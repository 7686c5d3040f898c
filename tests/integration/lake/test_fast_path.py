"""Proves that Spark's fast path is sound: it lets in only what the reference validator lets in, and types it the same.

A property over thousands of lines, each valid or with one thing changed, in a single Spark job.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from lake_assets.transforms.canonical import entity_of, is_canonical, parsed_schema
from lake_assets.transforms.events import typed_events
from lake_assets.transforms.fields import EntityRule, Rules
from lake_assets.transforms.rules import TOLD
from lake_assets.transforms.validate import Accepted, judge_line
from publisher import wire
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import event, line, signed

SEED = 20261124
ODD_VALUES = (
    None, "", "x", 'a"b', "a\\b", "é", "\n", " open", 0, -1, 1, 10**9, 2**63, -(2**63), 10**30, 1.0, 1e3, True, [], {}, "2026-02-29",
    "2024-02-29", "0000-01-01", "9999-12-31", "2026-13-01", "2026-11-24T04:00:00Z", "2026-02-30T04:00:00Z", "0" * 32, "F" * 32, "1.0.0", "1.0.1",
)  # fmt: skip
ODD_BYTES = (b"", b'"', b",", b" ", b"0", b"-", b"\\", b"null", b"\xff", b"}", b"\r", b"\t", b"1e1", b"\xc3\xa9", b"{}")


def changed_lines(rules: Rules, count: int) -> Iterator[bytes]:
    """Lines of every entity, version and operation: unchanged, one value replaced, one piece of bytes replaced, or reordered."""
    rng = random.Random(SEED)
    entities = [rule for name, rule in rules.items() if name not in TOLD]
    for number in range(count):
        rule = rng.choice(rng.choice(entities).forms)
        built = event(rule, rng.randrange(40), number + 1, op=rng.choice((*rule.writes, *rule.deletes)), salt=rng.randrange(9))
        yield rng.choice((_same, _other_value, _other_bytes, _other_order))(built, rng)


def _same(built: dict[str, Any], rng: random.Random) -> bytes:
    return line(built)


def _other_value(built: dict[str, Any], rng: random.Random) -> bytes:
    inside = built["record"] if "record" in built and rng.random() < 0.8 else built
    inside[rng.choice(list(inside))] = rng.choice(ODD_VALUES)
    if rng.random() < 0.1:
        inside["nickname"] = 1
    return json.dumps(built, separators=(",", ":"), ensure_ascii=False).encode()


def _other_bytes(built: dict[str, Any], rng: random.Random) -> bytes:
    raw = line(built)
    at = rng.randrange(len(raw) + 1)
    return raw[:at] + rng.choice(ODD_BYTES) + raw[at + rng.randrange(3) :]


def _other_order(built: dict[str, Any], rng: random.Random) -> bytes:
    inside = built.get("record", built)
    names = list(inside)
    rng.shuffle(names)
    moved = {name: inside[name] for name in names}
    whole = built | {"record": moved} if "record" in built else moved
    return json.dumps(whole, separators=(",", ":")).encode()


@pytest.fixture(scope="module")
def judged(lake: Lake, rules: Rules) -> list[tuple[bytes, bool]]:
    """Each line with what the fast path says."""
    spark: SparkSession = lake.tables.spark
    lines = [raw for raw in changed_lines(rules, 6000) if b"\n" not in raw]
    frame = spark.createDataFrame([(number, bytearray(raw)) for number, raw in enumerate(lines)], "number INT, raw BINARY")
    text = frame.select("number", "raw", sf.col("raw").cast("string").alias("line"))
    parsed = text.select(
        "*", entity_of(sf.col("line")).alias("entity"), sf.from_json("line", parsed_schema(rules)).alias("parsed")
    )
    outcome = is_canonical(sf.col("line"), sf.col("entity"), sf.col("parsed"), rules).alias("canonical")
    found = {row.number: row.canonical for row in parsed.select("number", outcome).collect()}
    return [(raw, found[number]) for number, raw in enumerate(lines)]


def test_what_the_fast_path_lets_in_the_validator_lets_in_unchanged(judged: list[tuple[bytes, bool]], rules: Rules) -> None:
    for raw, canonical in judged:
        if canonical:
            (outcome,) = judge_line(raw, rules)
            assert isinstance(outcome, Accepted)
            assert outcome.line.encode() == raw


def test_the_fast_path_misses_no_line_that_the_publisher_wrote(judged: list[tuple[bytes, bool]], rules: Rules) -> None:
    """Not needed for soundness, but a miss would be slow."""
    for raw, canonical in judged:
        outcomes = list(judge_line(raw, rules))
        if [Accepted] == [type(outcome) for outcome in outcomes] and outcomes[0].line.encode() == raw:  # type: ignore[union-attr]
            assert canonical
    assert 1000 < sum(canonical for _, canonical in judged) < 4000


def test_accepted_lines_are_typed_as_the_json_says(judged: list[tuple[bytes, bool]], lake: Lake, rules: Rules) -> None:
    for rule in rules.values():
        lines = [
            raw.decode() for raw, canonical in judged if canonical and raw.startswith(f'{{"entity":"{rule.entity}"'.encode())
        ]
        if not lines:
            continue
        frame = lake.tables.spark.createDataFrame([("o", text) for text in lines], "object STRING, line STRING")
        text_of_time = sf.date_format("_committed_at", "yyyy-MM-dd'T'HH:mm:ss'Z'")
        typed = typed_events(frame, rule, 1).withColumn("_committed_at", text_of_time)
        rows = {row._digest: row.asDict() for row in typed.collect()}
        assert len(rows) == len(set(lines))
        for text in lines:
            assert rows[signed(wire.digest_of(text.encode()))] == expected(json.loads(text), rule, text)


def expected(built: dict[str, Any], rule: EntityRule, text: str) -> dict[str, Any]:
    record = built.get("record") or {}
    typed = {
        field.name: date.fromisoformat(value)
        if field.type == "date" and (value := record.get(field.name))
        else record.get(field.name)
        for field in rule.fields
    }
    return typed | {
        "_op": built["op"],
        "_key": built["key"],
        "_seq": built["seq"],
        "_subject": built.get("subject"),
        "_committed_at": built["committed_at"],
        "_contract": built["contract"],
        "_digest": signed(wire.digest_of(text.encode())),
        "_object": "o",
        "_batch": 1,
    }

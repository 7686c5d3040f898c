"""Holds each manifest of the platform against the events that bronze has of its range.

Belongs here: the comparison and how far the lake is complete. Not here: making manifests (publisher/manifest.py), loading them (bronze/).

Proven without reading the platform: a manifest counts the events of a contiguous range of `seq` and sums their digests. Repeats count once. A manifest
that agrees is not looked at again; one that does not is compared anew each time, since its events may just be late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import functions as sf

from lake_assets.raw import progress
from lake_assets.transforms import schemas
from resources.spark import spark_errors
from resources.tables import LakeTables

AGREES, MISSING, EXTRA, CONTRADICTS = "agrees", "missing", "extra", "contradicts"
DIGESTS = 2**64


@dataclass(frozen=True)
class Verdict:
    """One manifest compared: `found` counts the different events of (`seq_from`, `seq_to`] that bronze has."""

    entity: str
    seq_from: int
    seq_to: int
    revision: int
    events: int
    found: int
    verdict: str
    dead_letters: int
    closed_at: datetime


@dataclass(frozen=True)
class Completeness:
    """How far an entity is complete: up to `until` without a gap; None before its first manifest. `open` do not agree yet."""

    entity: str
    until: datetime | None
    seq: int | None
    compared: int
    open: tuple[Verdict, ...]


def verify_manifests(tables: LakeTables, entities: Iterable[str]) -> dict[str, Completeness]:
    """Compares every manifest behind the gap-free part, records the verdicts that are new, and moves that part on. Raises SparkFailed."""
    entities = list(entities)
    known = progress.read_all(tables)
    behind = {entity: known[name].position or 0 for entity in entities if (name := progress_name(entity)) in known}
    verdicts = _compare(tables, entities, behind)
    _record(tables, verdicts)
    outcome = {}
    for entity in entities:
        mine = sorted((v for v in verdicts if v.entity == entity), key=lambda v: v.seq_from)
        was = known.get(progress_name(entity))
        seq, until = (was.position, was.at) if was else (mine[0].seq_from if mine else None, None)
        for verdict in mine:
            if verdict.verdict == AGREES and verdict.seq_from == seq:
                seq, until = verdict.seq_to, verdict.closed_at
        if until is not None and (was is None or was.position != seq):
            progress.write(tables, progress_name(entity), position=seq, at=until)
        outcome[entity] = Completeness(entity, until, seq, len(mine), tuple(v for v in mine if v.verdict != AGREES))
    return outcome


def progress_name(entity: str) -> str:
    """The name of an entity's progress."""
    return f"complete/{entity}"


def count_verdicts(tables: LakeTables) -> dict[str, int]:
    """How many manifests have which verdict now."""
    latest = sf.max_by("verdict", "checked_at").alias("verdict")
    with spark_errors("counting the verdicts"):
        rows = (
            tables.read("ops", "completeness")
            .groupBy("entity", "seq_from", "seq_to")
            .agg(latest)
            .groupBy("verdict")
            .count()
            .collect()
        )
    return {row.verdict: row["count"] for row in rows}


def _compare(tables: LakeTables, entities: list[str], behind: Mapping[str, int]) -> list[Verdict]:
    parts = [_compare_sql(tables, entity, behind.get(entity, 0)) for entity in entities]
    with spark_errors("comparing the manifests"):
        rows = tables.spark.sql(" UNION ALL ".join(parts)).collect()
    return [
        Verdict(
            row.entity, row.seq_from, row.seq_to, row.revision, row.events, row.found,
            MISSING if row.found < row.events else EXTRA if row.found > row.events else AGREES if row.same else CONTRADICTS,
            row.dead_letters, row.closed_at.replace(tzinfo=UTC),
        )
        for row in rows
    ]  # fmt: skip


def _compare_sql(tables: LakeTables, entity: str, behind: int) -> str:
    """Only names and positions stand in it; the sum is a decimal, since Spark refuses a bigint that overflows."""
    return f"""
    (WITH manifests AS (
      SELECT seq_from, seq_to, max(revision) AS revision, max_by(events, revision) AS events, max_by(digest, revision) AS digest,
        max_by(dead_letters, revision) AS dead_letters, max_by(closed_at, revision) AS closed_at
      FROM {tables.sql_name("ops", "manifests")} WHERE `of` = '{entity}' AND seq_to > {int(behind)} GROUP BY seq_from, seq_to
    ), events AS (
      SELECT DISTINCT _seq, _digest FROM {tables.sql_name("bronze", entity)} WHERE _seq > {int(behind)}
    )
    SELECT '{entity}' AS entity, seq_from, seq_to, any_value(revision) AS revision, any_value(events) AS events,
      count(_seq) AS found, any_value(dead_letters) AS dead_letters, any_value(closed_at) AS closed_at,
      pmod(coalesce(sum(CAST(_digest AS DECIMAL(38, 0))), 0), {DIGESTS}) = CAST(any_value(digest) AS DECIMAL(38, 0)) AS same
    FROM manifests LEFT JOIN events ON _seq > seq_from AND _seq <= seq_to GROUP BY seq_from, seq_to)"""  # noqa: S608


def _record(tables: LakeTables, verdicts: list[Verdict]) -> None:
    """Appends the verdicts that differ from the last known of their manifest."""
    if not verdicts:
        return
    last = sf.max_by(sf.struct("revision", "found", "verdict"), "checked_at").alias("last")
    lowest = min(verdict.seq_from for verdict in verdicts)
    with spark_errors("recording the verdicts"):
        rows = (
            tables.read("ops", "completeness")
            .where(sf.col("seq_to") > lowest)
            .groupBy("entity", "seq_from", "seq_to")
            .agg(last)
            .collect()
        )
        known = {(row.entity, row.seq_from, row.seq_to): tuple(row.last) for row in rows}
        now = datetime.now(UTC)
        new = [
            (v.entity, v.seq_from, v.seq_to, v.revision, v.events, v.found, v.verdict, v.dead_letters, v.closed_at, now)
            for v in verdicts
            if known.get((v.entity, v.seq_from, v.seq_to)) != (v.revision, v.found, v.verdict)
        ]
        if new:
            frame = tables.spark.createDataFrame(new, schemas.struct(schemas.COMPLETENESS)).coalesce(1)
            frame.write.format("delta").mode("append").save(tables.path("ops", "completeness"))

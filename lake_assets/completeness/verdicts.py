"""Comparing manifests with bronze: what a range should hold, and what it does.

Belongs here: reading manifests, counting events, the verdict. Not here: how far that proves the lake complete (`verify.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import Column
from pyspark.sql import functions as sf

from lake_assets.transforms import schemas
from resources.spark import as_micros, from_micros, spark_errors
from resources.tables import LakeTables

AGREES, MISSING, EXTRA, CONTRADICTS = "agrees", "missing", "extra", "contradicts"
NO_MANIFEST, LATE = "no manifest", "late"
HEALED = "healed"
PASSES = frozenset({AGREES, HEALED})
"""Verdicts over which the chain moves on."""

GAP = -1
"""The revision of what stands for manifests that have not come: see gaps.py."""

DIGESTS = 2**64
RANGES_AT_ONCE = 500
"""Of one entity; the rest waits for the next time. Each event is held against each range."""

SPANS_IN_A_FILTER = 50

Range = tuple[str, int, int]
"""Entity, `seq_from` (exclusive), `seq_to` (inclusive)."""


@dataclass(frozen=True)
class Manifest:
    """What the platform says of a range, in its latest revision; of two that differ in `backfill_due` the one in which it is.

    `contradicted`: that revision came with other contents as well.
    """

    entity: str
    seq_from: int
    seq_to: int
    revision: int
    events: int
    dead_letters: int
    digest: int
    closed_at: datetime
    backfill_due: bool
    batch: int
    key_version: int = 1
    contradicted: bool = False

    @property
    def range(self) -> Range:
        return self.entity, self.seq_from, self.seq_to


@dataclass(frozen=True)
class Verdict:
    """One manifest compared: `found` counts the different events of (`seq_from`, `seq_to`] that bronze has.

    `healed_to`: what it lacks does not matter any more, since digests of every part of the table agree as of this position. `since`: when it was recorded.
    """

    entity: str
    seq_from: int
    seq_to: int
    revision: int
    events: int
    found: int
    verdict: str
    dead_letters: int
    closed_at: datetime
    healed_to: int | None = None
    since: datetime | None = field(default=None, compare=False)

    @property
    def range(self) -> Range:
        return self.entity, self.seq_from, self.seq_to


def read_manifests(tables: LakeTables, *, above: int, after_batch: int, reopened: Iterable[Range]) -> list[Manifest]:
    """The manifests of ranges that end above `above`, came after batch `after_batch`, or are among `reopened`."""
    wanted = _among("of", reopened, (sf.col("seq_to") > above) | (sf.col("_batch") > after_batch))
    said = sf.struct(
        "revision", "events", "dead_letters", "digest", as_micros("closed_at").alias("closed_at"), "backfill_due", "key_version"
    )
    content = sf.struct("events", "dead_letters", "digest", "closed_at")
    each = (
        tables.read("ops", "manifests")
        .where(wanted)
        .groupBy("of", "seq_from", "seq_to", "revision")
        .agg(
            sf.max_by(said, sf.struct("backfill_due", content)).alias("said"), sf.max("_batch").alias("batch"),
            (sf.size(sf.collect_set(content)) > 1).alias("contradicted"),
        )
    )  # fmt: skip
    last = sf.max_by(sf.struct("said.*", "contradicted"), "revision").alias("last")
    with spark_errors("reading the manifests"):
        rows = each.groupBy("of", "seq_from", "seq_to").agg(last, sf.max("batch").alias("batch")).collect()
    return [
        Manifest(
            row.of, row.seq_from, row.seq_to, row.last.revision, row.last.events, row.last.dead_letters, int(row.last.digest),
            from_micros(row.last.closed_at), bool(row.last.backfill_due), row.batch, row.last.key_version or 1, row.last.contradicted,
        )
        for row in rows
    ]  # fmt: skip


def known_verdicts(tables: LakeTables, above: int, others: Iterable[Range] = ()) -> dict[Range, Verdict]:
    """The last verdict of each range that ends above `above`, and of `others`."""
    wanted = _among("entity", others, sf.col("seq_to") > above)
    columns = [as_micros(name).alias(name) if kind == "timestamp" else name for name, kind, _ in schemas.COMPLETENESS]
    with spark_errors("reading the verdicts"):
        rows = (
            tables.read("ops", "completeness")
            .where(wanted)
            .groupBy("entity", "seq_from", "seq_to")
            .agg(sf.max_by(sf.struct(*columns), "checked_at").alias("last"))
            .select("last.*")
            .collect()
        )
    found = [
        Verdict(
            row.entity, row.seq_from, row.seq_to, row.revision, row.events, row.found, row.verdict, row.dead_letters,
            from_micros(row.closed_at), row.healed_to, from_micros(row.checked_at),
        )
        for row in rows
    ]  # fmt: skip
    return {verdict.range: verdict for verdict in found}


def _among(entity: str, ranges: Iterable[Range], wanted: Column) -> Column:
    for name, low, high in ranges:
        wanted |= (sf.col(entity) == name) & (sf.col("seq_from") == low) & (sf.col("seq_to") == high)
    return wanted


def compare(tables: LakeTables, manifests: Iterable[Manifest], *, erased: bool = False) -> list[Verdict]:
    """Holds each manifest against the different events of its range in bronze, the oldest ranges first.

    Where somebody was ever `erased`, with those that the adjustments tell of.
    """
    by_entity: dict[str, list[Manifest]] = {}
    for manifest in sorted(manifests, key=lambda m: m.seq_from):
        by_entity.setdefault(manifest.entity, []).append(manifest)
    chosen = {entity: mine[:RANGES_AT_ONCE] for entity, mine in by_entity.items()}
    if not chosen:
        return []
    query = " UNION ALL ".join(_count_sql(tables, entity, mine, erased) for entity, mine in sorted(chosen.items()))
    with spark_errors("counting the events of manifests"):
        counted = {
            (row.entity, row.seq_from, row.seq_to): (row.found, int(row.digest)) for row in tables.spark.sql(query).collect()
        }
    return [_verdict(manifest, *counted[manifest.range]) for mine in chosen.values() for manifest in mine]


def record(tables: LakeTables, verdicts: Sequence[Verdict], now: datetime) -> None:
    """Appends verdicts; of several of a range the latest holds."""
    if not verdicts:
        return
    rows = [
        (v.entity, v.seq_from, v.seq_to, v.revision, v.events, v.found, v.verdict, v.dead_letters, v.closed_at, now, v.healed_to)
        for v in verdicts
    ]
    frame = tables.spark.createDataFrame(rows, schemas.struct(schemas.COMPLETENESS)).coalesce(1)
    with spark_errors("recording the verdicts"):
        frame.write.format("delta").mode("append").save(tables.path("ops", "completeness"))


def count_verdicts(tables: LakeTables) -> dict[str, int]:
    """How many manifests have which verdict now. Reads all of them: for reports, not for runs."""
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


def _verdict(manifest: Manifest, found: int, digest: int) -> Verdict:
    if manifest.revision == GAP:
        said = NO_MANIFEST
    elif manifest.contradicted:
        said = CONTRADICTS
    elif found != manifest.events:
        said = MISSING if found < manifest.events else EXTRA
    else:
        said = AGREES if digest == manifest.digest % DIGESTS else CONTRADICTS
    return Verdict(
        manifest.entity, manifest.seq_from, manifest.seq_to, manifest.revision, manifest.events, found, said, manifest.dead_letters,
        manifest.closed_at,
    )  # fmt: skip


def _count_sql(tables: LakeTables, entity: str, manifests: Sequence[Manifest], erased: bool) -> str:
    """Only names and positions stand in it; the sum is a decimal, since Spark refuses a bigint that overflows."""
    ranges = ", ".join(f"({m.seq_from}L, {m.seq_to}L)" for m in manifests)
    within = " OR ".join(f"(_seq > {low} AND _seq <= {high})" for low, high in _spans(manifests))
    held = f"SELECT _seq, _digest FROM {tables.sql_name('bronze', entity)} WHERE {within}"  # noqa: S608
    if erased:
        gone = f"SELECT seq AS _seq, digest AS _digest FROM {tables.sql_name('ops', 'adjustments')} WHERE entity = '{entity}'"  # noqa: S608
        held += f" UNION ALL SELECT * FROM ({gone}) WHERE {within}"  # noqa: S608
    return f"""
    (SELECT '{entity}' AS entity, seq_from, seq_to, count(_seq) AS found,
      pmod(coalesce(sum(CAST(_digest AS DECIMAL(38, 0))), 0), {DIGESTS}) AS digest
    FROM VALUES {ranges} AS r(seq_from, seq_to)
    LEFT JOIN (SELECT DISTINCT _seq, _digest FROM ({held}))
      ON _seq > seq_from AND _seq <= seq_to
    GROUP BY seq_from, seq_to)"""  # noqa: S608


def _spans(manifests: Sequence[Manifest]) -> list[tuple[int, int]]:
    """The ranges joined where they touch: what bronze is asked for, so that its statistics leave out the rest."""
    spans: list[tuple[int, int]] = []
    for manifest in manifests:
        if spans and manifest.seq_from <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], manifest.seq_to)
        else:
            spans.append((manifest.seq_from, manifest.seq_to))
    return spans if len(spans) <= SPANS_IN_A_FILTER else [(spans[0][0], max(high for _, high in spans))]

"""What a materialisation of an ingest run shows: counts, reasons, batches; and the verdicts of its checks.

Belongs here: metadata from results. Not here: the steps and their order (`ingest.py`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import dagster as dg

from lake_assets.bronze.load import BronzeResult
from lake_assets.bronze.reports import RiskReport
from lake_assets.metadata import bars, lag
from lake_assets.raw.ledger import LedgerResult
from lake_assets.raw.notified import Found
from lake_assets.silver.current import SilverResult
from resources.aws import CALLS

OBJECTS = ["raw", "objects"]
QUARANTINE = ["bronze", "quarantine"]
RISK = ["bronze", "risk"]
FEW = 5
"""Objects a day that the listing may find first: one that landed a moment before it, one whose message a run that died still hides."""

StepEvent = dg.MaterializeResult[None] | dg.AssetCheckResult


def ledger_metadata(result: LedgerResult) -> dict[str, dg.MetadataValue | int]:
    return {
        "objects": result.new,
        "bytes": result.new_bytes,
        "found by listing": result.by_listing,
        "known already": result.known,
        "batches": dg.MetadataValue.json(list(result.batches)),
        "found": bars({"event": result.by_event, "listing": result.by_listing}),
        **_calls(result.calls),
    }


def notified_check(found: Found) -> dg.AssetCheckResult:
    """Whether notifications tell of what lands: the alarm for a queue that misses some of it, or in a quiet lake all of it."""
    told_of_none = found.objects > 1 and found.by_listing == found.objects
    said = f"of {found.objects:,} objects of the last day the listing alone found {found.by_listing:,}"
    return dg.AssetCheckResult(
        asset_key=OBJECTS,
        check_name="notified",
        passed=found.by_listing <= FEW and not told_of_none,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={"objects": found.objects, "found by listing": found.by_listing, "allowed": FEW},
    )


def bronze_events(loaded: Sequence[BronzeResult]) -> Iterator[StepEvent]:
    """What the batches of a run brought; the check is of the last, since one that does not hold ends the run."""
    events = _sum(each.events for each in loaded)
    refused = _sum(each.refused for each in loaded)
    batches = dg.MetadataValue.json([each.batch for each in loaded])
    for entity, rows in sorted(events.items()):
        yield dg.MaterializeResult(asset_key=["bronze", entity], metadata={"rows added": rows, "batches": batches})
    yield dg.MaterializeResult(
        asset_key=QUARANTINE,
        metadata={
            "batches": batches,
            "objects": sum(each.objects for each in loaded),
            "bad objects": sum(each.bad_objects for each in loaded),
            "values read": sum(each.read for each in loaded),
            "quarantined": refused.total(),
            "reasons": bars(refused),
            "events by entity": bars(events),
            **_calls(_sum(each.calls for each in loaded)),
        },
    )
    kept = loaded[-1].conservation
    yield dg.AssetCheckResult(
        asset_key=QUARANTINE,
        check_name="conservation",
        passed=kept.holds,
        metadata={
            "batch": loaded[-1].batch,
            "values read": kept.read,
            "in bronze": sum(kept.bronze.values()),
            "manifests and risk reports": kept.told,
            "quarantined": kept.quarantined,
        },
    )


def risk_events(reports: Sequence[RiskReport]) -> Iterator[StepEvent]:
    """The newest report of each k-group; nothing where none came."""
    if not reports:
        return
    rows = "\n".join(
        f"| `{r.group}` | {r.computed_at:%Y-%m-%d %H:%M} | {r.k} | {r.people:,} | {r.groups:,} | {r.smallest:,} | {r.silent:,} | {r.people_below_k:,} |"
        for r in reports
    )
    head = "| k-group | counted at (UTC) | k | people | groups | smallest | say nothing | below k as they are |\n|---|---|---|---|---|---|---|---|\n"
    yield dg.MaterializeResult(
        asset_key=RISK,
        metadata={"k-groups": dg.MetadataValue.md(head + rows), "smallest group": min(r.smallest for r in reports)},
    )


def silver_events(merged: Sequence[dict[str, SilverResult]], loaded: Sequence[BronzeResult]) -> Iterator[StepEvent]:
    """What the batches of a run did to silver; `loaded` are the same batches in bronze, and perhaps one more that came no further."""
    by_entity: dict[str, list[SilverResult]] = {}
    newest: dict[str, datetime] = {}
    for batch, bronze in zip(merged, loaded, strict=False):
        for entity, result in batch.items():
            by_entity.setdefault(entity, []).append(result)
            if (latest := bronze.conservation.contents[entity].newest) is not None:
                newest[entity] = max(latest, newest.get(entity, latest))
    for entity, results in by_entity.items():
        yield dg.MaterializeResult(
            asset_key=["silver", entity],
            metadata={
                "events": sum(each.events for each in results),
                "inserted": sum(each.inserted for each in results),
                "updated": sum(each.updated for each in results),
                "deleted": sum(each.deleted for each in results),
                **lag(newest.get(entity)),
            },
        )


def conflict_checks(entities: Iterable[str], open_conflicts: Mapping[str, int]) -> Iterator[StepEvent]:
    """For every entity, whether a batch of the run brought it or not: what an earlier batch showed is still so."""
    for entity in entities:
        positions = open_conflicts.get(entity, 0)
        yield dg.AssetCheckResult(
            asset_key=["silver", entity], check_name="one_content", passed=not positions, metadata={"positions": positions}
        )


def _calls(calls: Mapping[str, int]) -> dict[str, int]:
    """As numbers, each under its own name: Dagster draws those over the runs."""
    return {f"{name} calls": calls.get(name, 0) for name in sorted(CALLS.values()) if calls.get(name)}


def _sum(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total

"""Completeness and freshness, as checks on bronze and silver: has all arrived, and how far is that proven?

Belongs here: the checks. Not here: the comparison of manifests (completeness/).

Freshness is ours: the time of the newest row would call a quiet table stale, and Dagster's own policy knows only when a run ended.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from lake_assets.automation import at_each_tick
from lake_assets.catalog import Catalog
from lake_assets.completeness import Completeness, verify_manifests
from lake_assets.guard import without_values
from lake_assets.silver.rekey import waits
from resources.lake import LakeResource

ARRIVED, FRESH = "arrived", "fresh"
SHOWN = 5


def completeness_checks(catalog: Catalog, cadence: str) -> dg.AssetChecksDefinition:
    """For each entity, `arrived` on bronze and `fresh` on silver, all from one comparison."""
    specs = [
        spec
        for entity, contract in catalog.contracts.items()
        for spec in (
            dg.AssetCheckSpec(
                ARRIVED,
                asset=["bronze", entity],
                description="Bronze has what the platform's manifests say it sent: the same number of events, with the same digest.",
                automation_condition=at_each_tick(cadence),
            ),
            dg.AssetCheckSpec(
                FRESH,
                asset=["silver", entity],
                description=f"The lake is proven complete to within {_words(contract.freshness)} of now, as the contract promises.",
                automation_condition=at_each_tick(cadence),
            ),
        )
    ]

    @dg.multi_asset_check(name="completeness", specs=specs, can_subset=True, pool="completeness")
    @without_values
    def completeness(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
        with lake.tables(f"completeness/{context.run.run_id}") as tables:
            found = verify_manifests(tables, catalog.contracts)
            holds = waits(tables, catalog.contracts.values())
        now = datetime.now(UTC)
        for entity, each in found.items():
            for result in (_arrived(entity, each), _fresh(entity, each, now, catalog.contracts[entity].freshness, holds)):
                if (
                    dg.AssetCheckKey(dg.AssetKey.from_coercible(result.asset_key), str(result.check_name))
                    in context.selected_asset_check_keys
                ):
                    yield result

    return completeness


def _arrived(entity: str, found: Completeness) -> dg.AssetCheckResult:
    ranges = [
        f"({v.seq_from}, {v.seq_to}] closed {v.closed_at:%Y-%m-%d %H:%M:%S}: {v.verdict}, {v.found} of {v.events}"
        for v in found.open
    ]
    more = f"; and {len(ranges) - SHOWN} more" if len(ranges) > SHOWN else ""
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(["bronze", entity]),
        check_name=ARRIVED,
        passed=not found.open,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(ranges[:SHOWN]) + more or ("no manifest yet" if found.seq is None else "every manifest agrees"),
        metadata={"manifests compared": found.compared, "manifests that do not agree": len(found.open)},
    )


def _fresh(entity: str, found: Completeness, now: datetime, promised: timedelta, holds: bool) -> dg.AssetCheckResult:
    behind = None if found.until is None else now - found.until
    said = (
        ("no manifest yet" if found.seq is None else "nothing is proven yet")
        if behind is None
        else f"complete up to {found.until:%Y-%m-%d %H:%M:%S} UTC, {behind.total_seconds():.0f} s ago"
    )
    if found.backfill_due:
        said += "; rows that the platform has still to send: run `publisher backfill --due` there"
    if holds:
        said += "; silver waits until all rows have come under the new pseudonym key"
    metadata = {} if found.until is None else {"complete up to": dg.MetadataValue.timestamp(found.until)}
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(["silver", entity]),
        check_name=FRESH,
        passed=behind is not None and behind <= promised and not holds,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={**metadata, "promised": _words(promised)},
    )


def _words(period: timedelta) -> str:
    minutes = int(period.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"

"""Completeness and freshness, as checks on bronze and silver: has all arrived, how far is that proven, and does it say what the platform says?

Belongs here: the checks. Not here: the comparison of manifests (completeness/).

Freshness is ours: the time of the newest row would call a quiet table stale, and Dagster's own policy knows only when a run ended.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from lake_assets.automation import at_each_tick
from lake_assets.catalog import Catalog
from lake_assets.completeness import Completeness, StateVerdict, verify_manifests, verify_states
from lake_assets.guard import without_values
from lake_assets.raw import alone
from lake_assets.runs import kept_out
from lake_assets.silver.rekey import waits
from resources.lake import LakeResource

ARRIVED, FRESH, SAME = "arrived", "fresh", "same_state"
SHOWN = 5


def completeness_checks(catalog: Catalog, cadence: str) -> dg.AssetChecksDefinition:
    """For each entity, `arrived` on bronze, `fresh` and `same_state` on silver, all from one comparison."""
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
            dg.AssetCheckSpec(
                SAME,
                asset=["silver", entity],
                description="The rows say what the platform's table said when it was last digested: also what no trigger saw is found.",
                automation_condition=at_each_tick(cadence),
            ),
        )
    ]

    @dg.multi_asset_check(name="completeness", specs=specs, can_subset=True, pool="completeness")
    @without_values
    def completeness(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
        with lake.tables(f"completeness/{context.run.run_id}") as tables:
            if kept_out(context, alone.look(tables)):
                return
            found = verify_manifests(tables, catalog.contracts)
            holds = waits(tables, catalog.contracts.values())
            states = {} if holds else verify_states(tables, catalog.contracts, {e: each.seq for e, each in found.items()})
        now = datetime.now(UTC)
        for entity, each in found.items():
            fresh = _fresh(entity, each, now, catalog.contracts[entity].freshness, holds)
            for result in (_arrived(entity, each), fresh, _same(entity, states.get(entity))):
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


def _same(entity: str, found: StateVerdict | None) -> dg.AssetCheckResult:
    """Passes also where nothing was compared: the platform has not told yet, or the lake has not come so far."""
    said = "no digest to compare yet"
    metadata: dict[str, int | dg.MetadataValue] = {}
    if found is not None:
        told = f"{found.rows:,} rows at {found.as_of:%Y-%m-%d %H:%M:%S} UTC"
        said = f"the same as the platform's {told}, in {found.compared} of {found.compared + found.left_out} parts"
        if found.differing:
            buckets = ",".join(map(str, found.differing))
            said = (
                f"parts {buckets} say other things than the platform's {told}, seq ({found.seq_low}, {found.seq_high}]:"
                f" run `publisher resync {entity} --buckets {buckets}` there"
            )
        metadata = {
            "rows": found.rows, "parts compared": found.compared, "parts left out": found.left_out, "parts that differ": len(found.differing),
            "as of": dg.MetadataValue.timestamp(found.as_of),
        }  # fmt: skip
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(["silver", entity]), check_name=SAME, passed=found is None or not found.differing,
        severity=dg.AssetCheckSeverity.ERROR, description=said, metadata=metadata,
    )  # fmt: skip


def _words(period: timedelta) -> str:
    minutes = int(period.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"

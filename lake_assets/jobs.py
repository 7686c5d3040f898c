"""The jobs that something else starts: the sensor's and the demo's. Belongs here: selections. Not here: assets, conditions."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from lake_assets.catalog import GROUPS

INGEST = "ingest"
LANE = {"pushlake/lane": "ingest"}
"""Runs that write what ingest writes: one at a time."""

HOURS = dg.AssetKey(["raw", "hours"])
"""Hours that are loaded again: partitioned, and in no job but its own backfills."""

INGEST_TAGS = {"dagster/max_runtime": "1800"}
"""A machine that went down leaves its run as started, and none would follow: after half an hour it counts as failed."""

LONG = {"dagster/max_runtime": "86400"}
"""Of work that cannot be cut into runs, and that a limit would end for ever at the same place: a day. Dagster looks at it while the run is at work, so a
run of ingest takes it when it begins such work."""

ERASURE = "erasure"
VACUUM = "vacuum"
CLOSING = (ERASURE, VACUUM)
"""The jobs that have the lake for themselves: while one is at work, no other is worth starting."""

NOTHING_HALF_DONE = {"pushlake/nothing_half_done": "true"}
"""A run of such a job has this tag when it failed and left the lake open: to start it again at once would fail again."""

GOES_ON = {"pushlake/goes_on": "true"}
"""A run has this tag when it ended with batches perhaps still waiting: nothing that lands will tell of those."""

AHEAD = {"dagster/priority": "1"}
"""A run that is queued before others that wait for the same pool."""


def compaction_of(lane: str) -> str:
    """The job that compacts a lane's tables, and the asset below `care`."""
    return f"compaction_of_{lane}"


def ingest_job(completeness: dg.AssetChecksDefinition, others: dg.AssetChecksDefinition) -> UnresolvedAssetJobDefinition:
    """From landed objects to silver, a few batches a run; without the checks that have a cadence."""
    return dg.define_asset_job(
        INGEST,
        selection=(dg.AssetSelection.groups(GROUPS["raw"], GROUPS["bronze"]) | _silver_current())
        - dg.AssetSelection.assets(HOURS)
        - dg.AssetSelection.checks(*completeness.check_keys, *others.check_keys),
        description="What has landed, from raw objects through bronze to silver: up to four batches.",
        tags=INGEST_TAGS,
    )


def refresh_job(completeness: dg.AssetChecksDefinition) -> UnresolvedAssetJobDefinition:
    """What automation builds on its cadence, at once."""
    slow = dg.AssetSelection.groups(GROUPS["silver"], GROUPS["gold"]) - _silver_current()
    checks = dg.AssetSelection.checks(*completeness.check_keys)
    return dg.define_asset_job(
        "refresh", selection=slow | checks, description="History, completeness and gold, without waiting for their cadence."
    )


def _silver_current() -> dg.AssetSelection:
    return dg.AssetSelection.tag("pushlake/layer", "current")

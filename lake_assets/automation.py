"""When history, completeness and gold are built: each condition a function with a sentence on when it fires.

Belongs here: conditions and their sensor. Not here: what starts an ingest run (sensors/).

Runs of one lane never overlap: assets of one pool run one at a time (dagster.yaml), and a condition that fires while its
own asset is in progress waits.
"""

from __future__ import annotations

import dagster as dg

DEFAULT_CADENCE = "*/5 * * * *"


def on_cadence(cron: str) -> dg.AutomationCondition[dg.AssetKey]:
    """Fires when a tick of `cron` has passed since the last time, and a dependency was updated since.

    It does not fire while the asset is in progress, nor while a blocking check of a dependency has failed: a table that is
    known to be wrong holds back everything below it until a later run of the check passes. After a failed run it fires again at
    the next tick, since nothing was handled. `eager()` is not enough: it waits for runs in progress, and with live data some
    dependency is always in progress.
    """
    updated = dg.AutomationCondition.any_deps_updated().since_last_handled()
    missing = dg.AutomationCondition.missing()
    return (
        dg.AutomationCondition.cron_tick_passed(cron).since_last_handled()
        & (updated | missing)
        & ~dg.AutomationCondition.any_deps_missing()
        & ~dg.AutomationCondition.in_progress()
        & dg.AutomationCondition.all_deps_blocking_checks_passed()
    ).with_label(f"on the cadence {cron}, when a dependency has changed and no blocking check has failed")


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Evaluates the conditions; running by default, so that a fresh instance needs no click."""
    return dg.AutomationConditionSensorDefinition(
        "automation",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=10,
        description="Builds history, completeness and gold on their cadence.",
    )

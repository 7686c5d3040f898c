"""When history and gold are built, and completeness is looked at: each condition a function with a sentence on when it fires.

Belongs here: conditions and their sensor. Not here: what starts an ingest run (sensors/).

Runs of one lane never overlap: assets of one pool run one at a time (dagster.yaml), and a condition that fires while its
own asset or check is in progress waits.
"""

from __future__ import annotations

import warnings

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

DEFAULT_CADENCE = "*/5 * * * *"
COMPLETED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


class LastVerdictsPassed(dg.AutomationCondition[dg.AssetKey]):
    """Whether every blocking check of what an asset reads passed when it was last evaluated, whatever runs now.

    Dagster's own `all_deps_blocking_checks_passed` is false while a run that will evaluate such a check is under way. Under steady
    traffic one nearly always is: tried, nothing was built in five minutes. A check that was never evaluated has not passed.
    Not made of Dagster's `all_deps_match`: a condition of one's own inside of that cannot be sent to the daemon.
    """

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        graph, storage = context.asset_graph, context.asset_graph_view.instance.event_log_storage
        above = [key for key in graph.get(context.key).parent_entity_keys if isinstance(key, dg.AssetKey)]
        blocking = [key for asset in above for key in graph.get(asset).check_keys if graph.get(key).blocking]
        verdicts = [storage.get_asset_check_execution_history(key, limit=1, status=COMPLETED) for key in blocking]
        passed = all(last and last[0].status == AssetCheckExecutionRecordStatus.SUCCEEDED for last in verdicts)
        return dg.AutomationResult(context, context.candidate_subset if passed else context.get_empty_subset())


def on_cadence(cron: str) -> dg.AutomationCondition[dg.AssetKey]:
    """Fires when a tick of `cron` has passed since the last time, and a dependency was updated since.

    It does not fire while the asset is in progress, nor while the last verdict of a dependency's blocking check is a failure: a
    table that is known to be wrong holds back everything below it until a later run of the check passes. After a failed run it fires again at
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
        & LastVerdictsPassed()
    ).with_label(f"on the cadence {cron}, when a dependency has changed and no blocking check has failed")


def at_each_tick(cron: str) -> dg.AutomationCondition[dg.AssetCheckKey]:
    """Fires at each tick of `cron`, whatever was updated: for checks that are to notice that nothing comes.

    Not while the check is in progress; the next tick then asks again, as it does after a failed run. Not `since_last_handled()`: where the
    daemon is so slow that it looks once a tick, that skips every second one (tried).
    """
    ticked: dg.AutomationCondition[dg.AssetCheckKey] = dg.AutomationCondition.cron_tick_passed(cron)
    return (ticked & ~dg.AutomationCondition.in_progress()).with_label(f"at each tick of the cadence {cron}")


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Evaluates the conditions; running by default, so that a fresh instance needs no click."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # of use_user_code_server, which conditions of one's own need
        return dg.AutomationConditionSensorDefinition(
            "automation",
            target=dg.AssetSelection.all(),
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=10,
            use_user_code_server=True,
            description="Builds history and gold, and evaluates completeness, on their cadence.",
        )

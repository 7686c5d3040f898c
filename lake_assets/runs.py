"""Waiting for other runs of Dagster to end.

Belongs here: asking the instance. Not here: what for (assets/ingest.py).
"""

from __future__ import annotations

import time

import dagster as dg

AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
PATIENCE_SECONDS = 300.0


def others_have_ended(instance: dg.DagsterInstance, run_id: str, patience_seconds: float = PATIENCE_SECONDS) -> bool:
    """Waits until every other run that is at work now has ended, or so long; whether they have. Runs that begin meanwhile do not count."""
    deadline = time.monotonic() + patience_seconds
    before = {run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=AT_WORK))} - {run_id}
    while before:
        before &= {run.run_id for run in instance.get_runs(dg.RunsFilter(run_ids=sorted(before), statuses=AT_WORK))}
        if not before or time.monotonic() >= deadline:
            break
        time.sleep(1.0)
    return not before

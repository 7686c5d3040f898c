"""Other runs of Dagster: waiting for them to end, and closing the lake to them.

Belongs here: asking the instance. Not here: what for (assets/), the note that closes the lake (raw/alone.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import dagster as dg

from lake_assets.raw.alone import Closing, close, closing, open_again
from lake_assets.raw.progress import Progress
from lake_assets.silver.current import OpenTables

AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
PATIENCE_SECONDS = 300.0
ALONE = "alone"
"""The pool of all that closes the lake: such runs wait for each other in the queue, and not for each other's ends."""


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


def is_under_way(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run is at work; not one that has ended, or that this instance does not know."""
    return bool(instance.get_runs(dg.RunsFilter(run_ids=[run_id], statuses=AT_WORK), limit=1))


def kept_out(context: dg.OpExecutionContext, progressed: Mapping[str, Progress], what: str | None = None) -> bool:
    """Whether a step must end since the lake is closed; says so in its log. `progressed` has the row `alone.NAME`.

    `what` is given by a step that finishes what a run that died had closed the lake for.
    """
    there = closing(progressed)
    if there is None or there.run == context.run.run_id or not there.holds(partial(is_under_way, context.instance), what):
        return False
    context.log.info("%s: this run ends, and what it would have done is done later", there)
    return True


@contextmanager
def alone(
    open_tables: OpenTables,
    instance: dg.DagsterInstance,
    run_id: str,
    what: str,
    *,
    finish: bool,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Iterator[bool]:
    """Has the lake to itself for a run; yields whether it takes over what a run that died had begun.

    `what` is the job that does it again. With `finish` an exception inside leaves the lake closed, until the same job has come through. Raises
    LakeTaken, and dg.Failure when other runs do not end; then the lake is as open as it was.
    """
    mine, under_way = Closing(what, run_id, finish), partial(is_under_way, instance)
    with open_tables(f"alone/{run_id}") as tables:
        taken_over = close(tables, mine, under_way)
    if not others_have_ended(instance, run_id, patience_seconds):
        if not taken_over:
            with open_tables(f"alone/{run_id}/open") as tables:
                open_again(tables)
        raise dg.Failure(
            f"{what} waits until no other run is at work, and one goes on for longer than {patience_seconds:.0f} s: start it again"
        )
    try:
        yield taken_over
    except BaseException:
        if not finish:
            with open_tables(f"alone/{run_id}/open") as tables:
                open_again(tables)
        raise
    with open_tables(f"alone/{run_id}/open") as tables:
        open_again(tables)

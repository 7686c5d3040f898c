"""What starts a run anew that died while it had the lake closed: until then nobody else may work.

Belongs here: deciding whether to start. Not here: what is finished (the job does that), who is kept out (raw/alone.py).
"""

import time
from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from lake_assets.guard import without_values
from lake_assets.jobs import NOTHING_HALF_DONE
from lake_assets.sensors.landed import failures_in_a_row, pause, under_way


def unfinished_sensor(job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Starts `job` again when its last run failed, after a pause that doubles with each failure."""

    @dg.sensor(
        name=f"{job.name}_unfinished",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Starts {job.name} again when its last run failed: it may have left the lake closed.",
    )
    @without_values
    def unfinished(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if under_way(context.instance, job.name):
            yield dg.SkipReason("a run is under way")
            return
        failures = failures_in_a_row(context.instance, job.name)
        last = next(iter(context.instance.get_runs(dg.RunsFilter(job_name=job.name), limit=1)), None)
        if not failures:
            yield dg.SkipReason("the last run came through")
        elif last is not None and NOTHING_HALF_DONE.items() <= last.tags.items():
            yield dg.SkipReason("the last run failed and left the lake open: see its error, and start it by hand")
        elif (wait := pause(failures) - (time.time() - failures[0])) > 0:
            yield dg.SkipReason(f"the last {len(failures)} runs failed: next try in {wait:.0f} s")
        else:
            yield dg.RunRequest()

    return unfinished

"""What starts an ingest run: a look at the queue, and the listing that catches what no notification told of.

Belongs here: deciding whether to start. Not here: receiving anything (the run does that, and records it before it deletes a message).
"""

import time
from collections.abc import Callable, Iterator

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from lake_assets.guard import without_values
from lake_assets.jobs import CLOSING, GOES_ON, LANE
from lake_assets.runs import AT_WORK
from resources.notifications import NotificationsResource

LONGEST_PAUSE_SECONDS = 300.0
LOOK_SECONDS, PAUSE_SECONDS = 4.0, 0.5
IngestJob = UnresolvedAssetJobDefinition


def landed_sensor(ingest: IngestJob) -> dg.SensorDefinition:
    """Looks whether S3 has told of objects, and starts one run at a time."""

    @dg.sensor(
        name="landed",
        job=ingest,
        minimum_interval_seconds=2,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts an ingest run when S3 has told of new objects, or when the last run failed or left batches waiting.",
    )
    @without_values
    def landed(
        context: dg.SensorEvaluationContext, notifications: NotificationsResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        instance = context.instance
        if not _until(lambda: not under_way(instance, ingest.name)):
            yield dg.SkipReason("an ingest run is under way; it will be followed by another if objects wait")
            return
        if any(at_work(instance, job) for job in CLOSING):
            yield dg.SkipReason("a run has the lake for itself")
            return
        failures = failures_in_a_row(instance, ingest.name)
        if failures and (wait := pause(failures)) > (since := time.time() - failures[0]):
            yield dg.SkipReason(f"the last {len(failures)} runs failed: next try in {wait - since:.0f} s")
            return
        queue = notifications.open()
        if not failures and not _left_off(instance, ingest.name) and not _until(lambda: queue.approximate_depth() > 0):
            yield dg.SkipReason("nothing has landed")
            return
        yield dg.RunRequest(tags=LANE)

    return landed


def listing_schedules(ingest: IngestJob) -> list[dg.ScheduleDefinition]:
    """Every ten minutes the open hours, once a day the whole of the day before: objects that no notification told of."""

    def schedule(name: str, cron: str, hours: int, description: str) -> dg.ScheduleDefinition:
        return dg.ScheduleDefinition(
            name=name,
            job=ingest,
            cron_schedule=cron,
            run_config=dg.RunConfig(ops={"raw__objects": {"config": {"list_hours": hours}}}),
            tags={**LANE, "pushlake/listing": f"{hours} h"},
            default_status=dg.DefaultScheduleStatus.RUNNING,
            execution_timezone="UTC",
            description=description,
        )

    return [
        schedule("listing_of_open_hours", "*/10 * * * *", 2, "Lists the hours that Firehose may still write to."),
        schedule("listing_of_the_day", "30 1 * * *", 26, "Lists all hours of the day that ended, once."),
    ]


def under_way(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of the job is queued or at work."""
    return bool(instance.get_runs(RunsFilter(job_name=job, statuses=list(NOT_FINISHED_STATUSES)), limit=1))


def at_work(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of the job is at work."""
    return bool(instance.get_runs(RunsFilter(job_name=job, statuses=AT_WORK), limit=1))


def _until(true: Callable[[], bool]) -> bool:
    """Whether it becomes true while we look: the daemon comes by only every five seconds."""
    deadline = time.monotonic() + LOOK_SECONDS
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    return found


def _left_off(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether the last run may have left batches that are registered already: it took its fill, or was cancelled."""
    last = next(iter(instance.get_runs(RunsFilter(job_name=job), limit=1)), None)
    return last is not None and (last.status == DagsterRunStatus.CANCELED or GOES_ON.items() <= last.tags.items())


def failures_in_a_row(instance: dg.DagsterInstance, job: str) -> list[float]:
    """When the latest runs failed, newest first, up to the last that did not."""
    ended: list[float] = []
    for record in instance.get_run_records(RunsFilter(job_name=job), limit=10):
        if record.dagster_run.status != DagsterRunStatus.FAILURE:
            break
        ended.append(record.end_time or record.update_timestamp.timestamp())
    return ended


def pause(failures: list[float]) -> float:
    """Twice as long after each failure: 4, 8, 16 … seconds, at most five minutes."""
    return min(LONGEST_PAUSE_SECONDS, 2.0 ** (len(failures) + 1))

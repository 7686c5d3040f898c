"""What starts a compaction: a look at the tables' logs, which costs no run and no Spark.

Belongs here: deciding whether to start. Not here: from when on a table is crowded (care/look.py), compacting.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from lake_assets.care.compaction import crowded
from lake_assets.guard import without_values
from lake_assets.jobs import CLOSING, compaction_of
from lake_assets.sensors.landed import at_work, under_way
from resources.delta_log import DeltaLogs, Table
from resources.settings import setting

LOOK_SECONDS = 120
COMMITS = 8
"""A table is looked at when it has so many commits more than at the last look: two calls to S3 tell, instead of a dozen."""

PAUSE_SECONDS = 300.0
"""From the end of a lane's compaction to its next: whatever keeps a table crowded, the lane's own runs go on in between."""


def crowded_sensor(
    jobs: Sequence[UnresolvedAssetJobDefinition], lanes: Mapping[str, Sequence[Table]], *, commits: int = COMMITS
) -> dg.SensorDefinition:
    """Starts the compaction of each lane in which a table has too many small files."""

    @dg.sensor(
        name="crowded",
        jobs=jobs,
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the compaction of a lane when one of its tables has too many small files.",
    )
    @without_values
    def sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        instance = context.instance
        if any(at_work(instance, job) for job in CLOSING):
            yield dg.SkipReason("a run has the lake for itself")
            return
        logs = DeltaLogs(setting("LAKE_URI"))
        looked: dict[str, int] = json.loads(context.cursor or "{}")
        versions = logs.versions(table for tables in lanes.values() for table in tables)
        found: dict[str, int] = {}
        for lane, tables in lanes.items():
            if _rests(instance, compaction_of(lane)):
                continue
            moved = [
                each for each in tables if each in versions and versions[each] >= looked.get("/".join(each), -commits) + commits
            ]
            waiting = crowded(logs, moved)
            found[lane] = len(waiting)
            # What is crowded is looked at again next time, whether or not the run comes through.
            looked |= {"/".join(each): versions[each] for each in set(moved) - {each.table for each in waiting}}
            if waiting:
                yield dg.RunRequest(job_name=compaction_of(lane))
        context.update_cursor(json.dumps(looked))
        if not any(found.values()):
            yield dg.SkipReason("no table has too many small files" if found else "compaction is under way, or was just now")

    return sensor


def _rests(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of the job is queued, at work, or ended just now."""
    if under_way(instance, job):
        return True
    last = next(iter(instance.get_run_records(dg.RunsFilter(job_name=job), limit=1)), None)
    return last is not None and time.time() - (last.end_time or last.update_timestamp.timestamp()) < PAUSE_SECONDS

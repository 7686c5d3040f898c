"""Care in Dagster: compaction of each lane's tables, vacuum of all, their jobs and schedule. What they gained is their materialisation.

Belongs here: who must not be at work meanwhile, and what is shown. Not here: what is done (care/), when a lane is crowded (sensors/crowded.py).

Compaction takes its lane's own pool, as those take it that write the lane's tables: a MERGE beside an OPTIMIZE of the same table fails one of the two (tried). It does not close the
lake, since runs of the other lanes, and readers, may go on. The queue gives it its turn between two runs of the lane, ahead of those that wait; its work is bounded by what came since
the last time, some seconds a table.

Vacuum has the lake to itself. With seven days' retention it deletes nothing that a run of today needs; but a run that stood still for so long, or a clock that is wrong, would lose
files that are not committed yet, and that breaks a table for good: VACUUM without retention beside an append did. It looks first, without Spark, and closes the lake only where there
is something to delete.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from lake_assets.care import compaction, vacuum
from lake_assets.care.lanes import INGEST, LANES, every_table, lanes
from lake_assets.care.look import BOUNDS, Bounds
from lake_assets.care.properties import give, lacking
from lake_assets.catalog import Catalog
from lake_assets.guard import without_values
from lake_assets.jobs import AHEAD, LANE, LONG, VACUUM, compaction_of
from lake_assets.raw import alone as closed
from lake_assets.raw.lake import tables_of
from lake_assets.runs import ALONE, alone, kept_out
from resources.delta_log import DeltaLogs
from resources.lake import LakeResource
from resources.settings import setting

DAILY = "17 4 * * *"
"""After the erasure's look, so that what an erasure has deleted is not looked at twice."""


def compaction_assets(catalog: Catalog, bounds: Bounds = BOUNDS) -> list[dg.AssetsDefinition]:
    """`care/compaction_of_<lane>`: the small files of crowded tables are joined."""
    return [_compaction(catalog, lane, bounds) for lane in LANES]


def _compaction(catalog: Catalog, lane: str, bounds: Bounds) -> dg.AssetsDefinition:
    tables = lanes(catalog.contracts, catalog.gold)[lane]
    name = compaction_of(lane)
    spec = catalog.spec(
        ["care", name],
        f"Small files of the tables that runs of {lane} write, joined where a table has too many: before and after. No row changes.",
        kinds={"delta"},
        skippable=True,
    )

    @dg.multi_asset(name=f"compact_{lane}", specs=[spec], pool=lane)
    @without_values
    def compact(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[dg.MaterializeResult[None]]:
        with lake.tables(f"care/look/{context.run.run_id}") as look:
            if kept_out(context, closed.look(look)):
                return

        def tell(done: compaction.Compacted) -> None:
            context.log.info("%s: from %s files to %s", done.before.name, done.before.files, done.after.files)

        done = compaction.compact_tables(lake.tables, DeltaLogs(lake.uri or setting("LAKE_URI")), tables, bounds, tell)
        if not done:
            context.log.info("no table has too many small files")
            return
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "tables": dg.MetadataValue.md(compaction.as_markdown(done)),
                "files fewer": sum(each.before.files - each.after.files for each in done),
                "bytes fewer": sum(each.before.size_bytes - each.after.size_bytes for each in done),
                "hidden rows purged": sum(each.before.hidden - each.after.hidden for each in done),
                "seconds": round(sum(each.seconds for each in done), 1),
            },
        )

    return compact


def vacuum_asset(catalog: Catalog) -> dg.AssetsDefinition:
    """`care/vacuum`: the files that no version of the last days needs are deleted, by a run that is alone."""
    everything = every_table(catalog.contracts, catalog.gold)
    ours = [(table.layer, table.name) for table in tables_of(catalog.contracts)]
    spec = catalog.spec(
        ["care", VACUUM],
        "Files that no version of the last days needs (seven, or what the table's `delta.deletedFileRetentionDuration` says), deleted: before and after, by table. Checkpoints of these days can be read and restored as ever.",
        kinds={"delta"},
        skippable=True,
    )

    @dg.multi_asset(name="vacuum_tables", specs=[spec], pool=ALONE)
    @without_values
    def clean(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[dg.MaterializeResult[None]]:
        run, logs = context.run.run_id, DeltaLogs(lake.uri or setting("LAKE_URI"))
        lacks, waste = lacking(logs, ours), vacuum.wasteful(logs, everything)
        if not lacks and not waste:
            context.log.info("nothing is to be deleted")
            return

        def tell(done: vacuum.Vacuumed) -> None:
            context.log.info("%s: from %s files to %s", done.before.name, done.before.files, done.after.files)

        with alone(lake.tables, context.instance, run, VACUUM, finish=False):
            give(lake.tables, lacks)
            done = vacuum.vacuum_tables(lake.tables, logs, [each.table for each in waste], tell)
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "tables": dg.MetadataValue.md(vacuum.as_markdown(done)),
                "files deleted": sum(each.before.files - each.after.files for each in done),
                "bytes deleted": sum(each.before.size_bytes - each.after.size_bytes for each in done),
                "tables given properties": len(lacks),
                "seconds": round(sum(each.seconds for each in done), 1),
            },
        )

    return clean


def compaction_jobs() -> list[UnresolvedAssetJobDefinition]:
    """One a lane, which the sensor `crowded` starts, or a person."""
    return [
        dg.define_asset_job(
            compaction_of(lane),
            selection=dg.AssetSelection.assets(dg.AssetKey(["care", compaction_of(lane)])),
            description=f"Joins the small files of the tables that runs of {lane} write.",
            tags=AHEAD | LANE if lane == INGEST else AHEAD,
        )
        for lane in LANES
    ]


def vacuum_job() -> UnresolvedAssetJobDefinition:
    """By hand, or by its schedule."""
    return dg.define_asset_job(
        VACUUM,
        selection=dg.AssetSelection.assets(dg.AssetKey(["care", VACUUM])),
        description="Deletes, alone, the files that no version of the last days needs.",
        tags=LONG,
    )


def vacuum_schedule(job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Daily, in the quiet of the night."""
    return dg.ScheduleDefinition(
        name="vacuum_daily",
        job=job,
        cron_schedule=DAILY,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        execution_timezone="UTC",
        description="Once a day, files that no version of the last days needs.",
    )

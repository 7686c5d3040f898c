"""Going back, from the UI: an hour or a choice of batches loaded again, the quarantine as a workbench, all tables to a checkpoint.

Belongs here: the asset, jobs and check, and what they show. Not here: the steps (replay/).

An hour is a partition of `raw/hours`, so Dagster's own page of backfills takes many at once: one run, and each hour is there when its batches are. What
a replay changes is told as materialisations of the tables, so history and gold follow at their cadence.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from lake_assets import jobs
from lake_assets.automation import at_each_tick
from lake_assets.catalog import Catalog
from lake_assets.guard import without_values
from lake_assets.jobs import GOES_ON, INGEST, LANE, LONG
from lake_assets.raw import alone as closed
from lake_assets.raw import generation
from lake_assets.raw.batches import finished_below
from lake_assets.replay.again import Replayed, replay
from lake_assets.replay.checkpoints import INGEST as INGEST_LANE
from lake_assets.replay.checkpoints import record
from lake_assets.replay.choose import HOUR, Choice, choose
from lake_assets.replay.lanes import ingest_tables
from lake_assets.replay.plan import LEAVE, plan
from lake_assets.replay.quarantine import EXPIRY_DAYS, as_markdown, expire, refused
from lake_assets.replay.rollback import RollbackUnfinished, RolledBack, begun, roll_back
from lake_assets.runs import ALONE, alone, kept_out
from lake_assets.silver.rekey import present_key
from lake_assets.transforms.rules import rules_of
from resources.delta_log import DeltaLogs
from resources.lake import LakeResource
from resources.landing import LandingResource

EMPTY = "empty"
FIRST_HOUR = "2026-01-01-00:00"
"""Where the page of hours begins. Older ones are loaded again by the job `replay`."""

HOURS = dg.HourlyPartitionsDefinition(start_date=FIRST_HOUR, fmt=HOUR, timezone="UTC")


class ReplayConfig(dg.Config):
    """What to load again; what is given narrows. Hours are written 2026-11-24-04:00, in UTC."""

    batches: list[int] = []
    objects: list[str] = []
    reasons: list[str] = []
    hours: list[str] = []


class RollbackConfig(dg.Config):
    """`to`: the checkpoint. With `dry_run` it only says what it would do."""

    to: int
    dry_run: bool = True


def hours_asset(catalog: Catalog) -> dg.AssetsDefinition:
    """`raw/hours`: materialising an hour loads the batches with its objects again."""
    spec = catalog.spec(
        jobs.HOURS.path,
        "An hour of raw objects, loaded again: materialise the hours, or several as a backfill. Each batch with an object of the hour is loaded again "
        "whole, into the same batch. Nothing has to be here for the lake to be whole.",
        kinds={"s3", "delta"},
        deps=[["raw", "objects"]],
        skippable=True,
    )

    @dg.multi_asset(
        name="raw__hours",
        specs=[spec],
        partitions_def=HOURS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="ingest",
    )
    @without_values
    def hours(
        context: dg.AssetExecutionContext, lake: LakeResource, landing: LandingResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        keys = list(context.partition_keys)
        wanted: dict[str, list[int]] = {}
        with lake.tables(f"hours/{context.run.run_id}") as tables:
            if kept_out(context, closed.look(tables)):
                return
            for key in keys:
                wanted[key] = choose(tables, Choice(hours=[key]))
        done: set[int] = set()
        for at, key in enumerate(keys, 1):
            results = _again(context, lake, landing, catalog, [each for each in wanted[key] if each not in done])
            done |= {each.batch for each in results}
            context.log.info("hour %s: %s batches loaded again; %s of %s hours", key, len(wanted[key]), at, len(keys))
            metadata = {**_replay_metadata(results), "batches of the hour": dg.MetadataValue.json(wanted[key])}
            if len(keys) > 1:  # a backfill: each hour shows as soon as it is there
                context.log_event(dg.AssetMaterialization(spec.key, partition=key, metadata=metadata))
            else:
                yield dg.MaterializeResult(asset_key=spec.key, metadata=metadata)

    return hours


def replay_job(catalog: Catalog) -> dg.JobDefinition:
    """`replay`: the batches that a choice means, and then what has expired leaves quarantine."""

    @dg.op(pool="ingest")
    @without_values
    def load_again(
        context: dg.OpExecutionContext, config: ReplayConfig, lake: LakeResource, landing: LandingResource
    ) -> Iterator[dg.Output[None]]:
        with lake.tables(f"choose/{context.run.run_id}") as tables:
            if kept_out(context, closed.look(tables)):
                yield dg.Output(None)
                return
            batches = choose(tables, Choice(config.batches, config.objects, config.reasons, config.hours))
        context.log.info("%s batches to load again", len(batches))
        results = _again(context, lake, landing, catalog, batches)
        with lake.tables(f"expire/{context.run.run_id}") as tables:
            expired = expire(tables, landing.open())
        yield dg.Output(None, metadata={**_replay_metadata(results), "expired": expired})

    @dg.job(
        name="replay", description="Loads batches again from raw objects, by number, object, reason or hour.", tags=LANE | LONG
    )
    def job() -> None:
        load_again()

    return job


def expiry_job() -> dg.JobDefinition:
    """`expire_quarantine`: rows that are old and whose object is gone."""

    @dg.op(pool="ingest")
    @without_values
    def expire_old(context: dg.OpExecutionContext, lake: LakeResource, landing: LandingResource) -> Iterator[dg.Output[None]]:
        with lake.tables(f"expire/{context.run.run_id}") as tables:
            gone = 0 if kept_out(context, closed.look(tables)) else expire(tables, landing.open())
        yield dg.Output(None, metadata={"expired": gone, "after days": EXPIRY_DAYS})

    @dg.job(
        name="expire_quarantine", description="Removes what is in quarantine for long and whose raw object is gone.", tags=LANE
    )
    def job() -> None:
        expire_old()

    return job


def expiry_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Once a day."""
    return dg.ScheduleDefinition(
        name="expiry_of_quarantine",
        job=job,
        cron_schedule="15 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Once a day, rows of quarantine whose time is over.",
    )


def rollback_job(catalog: Catalog) -> dg.JobDefinition:
    """`rollback`: all tables to a checkpoint, alone."""

    @dg.op(pool=ALONE)
    @without_values
    def roll_tables_back(context: dg.OpExecutionContext, config: RollbackConfig, lake: LakeResource) -> Iterator[dg.Output[None]]:
        contracts = list(catalog.contracts.values())
        with lake.tables(f"plan/{context.run.run_id}") as tables:
            logs = DeltaLogs(tables.lake_uri)
            if (other := begun(tables)) not in (None, config.to):
                raise RollbackUnfinished(int(other or 0))
            planned = plan(tables, logs, contracts, list(catalog.gold), config.to)
        context.log.info("%s", planned.as_markdown())
        shown: dict[str, Any] = {"plan": dg.MetadataValue.md(planned.as_markdown()), "dry run": config.dry_run}
        if not config.dry_run:
            with alone(lake.tables, context.instance, context.run.run_id, "rollback", finish=True):
                done = roll_back(
                    lake.tables, logs, contracts, catalog.gold, config.to, lambda sentence: context.log.info("%s", sentence)
                )
            _tell_tables(context, done)
            _wake_ingest(context.instance)
            shown |= {"generation": done.generation, "checkpoint": done.checkpoint}
        yield dg.Output(None, metadata=shown)

    @dg.job(
        name="rollback",
        description="Brings all tables together to a checkpoint (config: to, dry_run). The batches after it load again.",
        tags=LONG,
    )
    def job() -> None:
        roll_tables_back()

    return job


def quarantine_check(cadence: str) -> dg.AssetChecksDefinition:
    """`empty` on `bronze/quarantine`: what is there, by reason and age."""

    spec = dg.AssetCheckSpec(
        EMPTY,
        asset=["bronze", "quarantine"],
        description="Nothing is in quarantine. If something is: which reasons, how much, for how long.",
        automation_condition=at_each_tick(cadence),
    )

    @dg.multi_asset_check(name="quarantine", specs=[spec], pool="completeness")
    @without_values
    def empty(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
        with lake.tables(f"quarantine/{context.run.run_id}") as tables:
            if kept_out(context, closed.look(tables)):
                return
            found = refused(tables) if tables.exists("ops", "quarantine") else []
        total = sum(each.rows for each in found)
        yield dg.AssetCheckResult(
            asset_key=spec.asset_key,
            check_name=EMPTY,
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{total:,} rows, the oldest of {min(each.oldest for each in found):%Y-%m-%d %H:%M} UTC"
            if found
            else "nothing",
            metadata={
                "rows": total,
                "by reason": dg.MetadataValue.md(as_markdown(found, datetime.now(UTC)) if found else "nothing"),
            },
        )

    return empty


def _again(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    lake: LakeResource,
    landing: LandingResource,
    catalog: Catalog,
    batches: Sequence[int],
) -> list[Replayed]:
    """Loads batches again, and tells of it: a line in the log for each, materialisations of the tables, a checkpoint."""
    contracts = list(catalog.contracts.values())
    count = 0

    def tell(result: Replayed, of: int) -> None:
        nonlocal count
        count += 1
        context.log.info(
            "batch %s loaded again, %s of %s: %s events more, in quarantine %s before and %s now",
            *(result.batch, count, of, sum(result.added.values()), result.before.total(), result.after.total()),
        )

    results = replay(lake.tables, landing.open(), rules_of(catalog.contracts, catalog.released), contracts, batches, tell)
    if not results:
        return results
    _tell_replayed(context, results)
    with lake.tables(f"checkpoint/{context.run.run_id}") as tables:
        known = closed.look(tables, generation.NAME)
        record(
            tables, DeltaLogs(tables.lake_uri), INGEST_LANE, ingest_tables(catalog.contracts), upto_batch=finished_below(tables),
            generation=generation.loading(known.get(generation.NAME)), key_version=present_key(tables, contracts),
        )  # fmt: skip
    return results


def _tell_replayed(context: dg.OpExecutionContext | dg.AssetExecutionContext, results: Sequence[Replayed]) -> None:
    batches = dg.MetadataValue.json([each.batch for each in results])
    added: Counter[str] = Counter()
    for each in results:
        added.update(each.added)
    for entity, rows in sorted(added.items()):
        for layer in ("bronze", "silver"):
            told = {"events added by a replay": rows, "batches loaded again": batches}
            context.log_event(dg.AssetMaterialization([layer, entity], metadata=told))
    context.log_event(dg.AssetMaterialization(["bronze", "quarantine"], metadata=_replay_metadata(results)))


def _replay_metadata(results: Sequence[Replayed]) -> Mapping[str, Any]:
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for each in results:
        before.update(each.before)
        after.update(each.after)
    rows = "\n".join(f"| {reason} | {before[reason]:,} | {after[reason]:,} |" for reason in sorted(before | after))
    table = f"| reason | in quarantine before | now |\n|---|---|---|\n{rows}" if rows else "nothing, before and now"
    return {
        "batches loaded again": dg.MetadataValue.json([each.batch for each in results]),
        "events added": sum(sum(each.added.values()) for each in results),
        "quarantine": dg.MetadataValue.md(table),
    }


def _tell_tables(context: dg.OpExecutionContext, done: RolledBack) -> None:
    """On each table's own page: that it was rolled back, and to what. History and gold then follow as after any change."""
    for step in done.plan.steps:
        layer, name = step.table
        if step.how == LEAVE or (layer == "ops" and name != "quarantine"):
            continue
        key = ["bronze", "quarantine"] if layer == "ops" else [layer, name]
        told = {
            "rolled back to checkpoint": done.plan.to,
            "how": step.how,
            "generation": done.generation,
            "up to batch": done.plan.upto_batch,
            "from version": step.before or 0,
        }
        context.log_event(dg.AssetMaterialization(key, metadata=told))


def _wake_ingest(instance: dg.DagsterInstance) -> None:
    """The sensor starts a run for batches that wait when the last run says that it left some: nothing lands because of a rollback."""
    last = next(iter(instance.get_runs(dg.RunsFilter(job_name=INGEST), limit=1)), None)
    if last is not None:
        instance.add_run_tags(last.run_id, GOES_ON)


def run_rollback(to: int) -> bool:
    """Runs the job from a shell, in the instance of DAGSTER_HOME, so that other runs see it and the UI shows it; whether it came through."""
    from lake_assets.definitions import defs

    job = defs.load_fn().resolve_job_def("rollback")
    config = dg.RunConfig(ops={"roll_tables_back": RollbackConfig(to=to, dry_run=False)})
    with dg.DagsterInstance.get() as instance:
        return job.execute_in_process(run_config=config, instance=instance, raise_on_error=False).success

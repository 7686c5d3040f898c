"""The assets that one ingest run makes: the ledger of raw objects, then a batch's bronze, quarantine and silver.

Belongs here: their specs, the order of the steps. Not here: the steps (raw/, bronze/, silver/), what a materialisation shows
(`ingest_events.py`).

Bronze and silver are one step because Dagster would skip a silver step whenever one of the entities is absent from the batch; see
docs/decisions/0002-one-step-for-a-batch.md.
"""

from collections.abc import Iterator

import dagster as dg

from lake_assets.assets.deploy import follow_contracts
from lake_assets.assets.ingest_events import (
    OBJECTS,
    QUARANTINE,
    RISK,
    StepEvent,
    bronze_events,
    conflict_checks,
    ledger_metadata,
    notified_check,
    risk_events,
    silver_events,
)
from lake_assets.assets.one_batch import Done, leave_checkpoint, take_through
from lake_assets.bronze.conflicts import open_conflicts
from lake_assets.bronze.reports import RiskReport, reports_of
from lake_assets.catalog import Catalog
from lake_assets.completeness import all_under
from lake_assets.deploy.rename import waiting_renames
from lake_assets.guard import without_values
from lake_assets.jobs import GOES_ON, INGEST, LONG
from lake_assets.raw import alone
from lake_assets.raw.batches import finished_below, oldest_waiting, pending_batches
from lake_assets.raw.lake import FINGERPRINT, ensure_lake
from lake_assets.raw.ledger import register
from lake_assets.raw.notified import found_lately
from lake_assets.runs import kept_out, others_have_ended
from lake_assets.silver.rekey import announce, exchange, exchanging, key_of, waits
from lake_assets.transforms import schemas
from lake_assets.transforms.rules import rules_of
from resources.errors import ResourceError
from resources.lake import LakeResource
from resources.landing import LandingResource
from resources.notifications import NotificationsResource

BATCHES_A_RUN = 4
"""A run's start costs more than half a batch, so it goes on with what landed meanwhile; what it did is seen at its end."""

CURRENT = {"pushlake/layer": "current"}


class ObjectsConfig(dg.Config):
    """`list_hours`: also list the landing bucket's hours as far back as this, for objects that no notification told of."""

    list_hours: int = 0


def ingest_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    """`raw/objects`, and the step that takes a batch from there to silver."""
    return [_objects(catalog), _batch(catalog)]


def _objects(catalog: Catalog) -> dg.AssetsDefinition:
    spec = catalog.spec(
        OBJECTS,
        "The ledger: every object that landed, its size and hour, how it was found, and the batch that it belongs to.",
        kinds={"s3", "delta"},
        deps=[["platform", entity] for entity in catalog.contracts],
        columns=schemas.OBJECTS,
        skippable=True,
    )

    notified = dg.AssetCheckSpec(
        "notified",
        asset=OBJECTS,
        description="S3's notifications told of what landed in the last day: the listing alone found at most a few objects.",
    )

    @dg.multi_asset(name="raw__objects", specs=[spec], check_specs=[notified], can_subset=True, pool="ingest")
    @without_values
    def objects(
        context: dg.AssetExecutionContext,
        config: ObjectsConfig,
        lake: LakeResource,
        landing: LandingResource,
        notifications: NotificationsResource,
    ) -> Iterator[StepEvent]:
        """Registers what has landed, and yields no materialisation when there is nothing to load: the run then ends here.

        A run that listed also says how much of the last day only listings found.
        """
        with lake.tables(f"ledger/{context.run.run_id}") as tables:
            progressed = alone.look(tables, FINGERPRINT)
            if kept_out(context, progressed, INGEST):
                return
            changed = ensure_lake(tables, catalog.contracts, catalog.signed, progressed)
            if (changed or alone.left_to_finish(progressed, INGEST)) and not follow_contracts(context, lake, catalog):
                return
            result = register(tables, landing.open(), notifications.open(), list_hours=config.list_hours)
            if result.new or pending_batches(tables):
                yield dg.MaterializeResult(asset_key=spec.key, metadata=ledger_metadata(result))
            else:
                context.log.info("nothing new has landed")
            if config.list_hours and notified.key in context.selected_asset_check_keys:
                yield notified_check(found_lately(tables, config.list_hours))

    return objects


def _batch(catalog: Catalog) -> dg.AssetsDefinition:
    rules = rules_of(catalog.contracts, catalog.released)
    specs = [*_bronze_specs(catalog), _quarantine_spec(catalog), _risk_spec(catalog), *_silver_specs(catalog)]
    checks = [
        dg.AssetCheckSpec(
            "conservation",
            asset=QUARANTINE,
            blocking=True,
            description="Every JSON value that the batch read is in bronze, a manifest or quarantine, counted in the tables.",
        ),
        *(
            dg.AssetCheckSpec(
                "one_content",
                asset=["silver", entity],
                blocking=True,
                description="No position of the platform's order has two contents, in this batch or any before; see ops/conflicts.",
            )
            for entity in catalog.contracts
        ),
    ]

    @dg.multi_asset(name="batch", specs=specs, check_specs=checks, can_subset=True, pool="ingest")
    @without_values
    def batch(
        context: dg.AssetExecutionContext, lake: LakeResource, landing: LandingResource, notifications: NotificationsResource
    ) -> Iterator[StepEvent]:
        """The batches that wait, oldest first, and those that land meanwhile; a few, so that the run's end shows what it did.

        Repeated after a crash, each step finds what it did before and changes nothing.
        """
        if not _began_with_the_ledger(context) and _is_closed(context, lake, catalog):
            return
        done, queue, bucket = Done(), notifications.open(), landing.open()
        conflicts: dict[str, int] = {}
        reports: list[RiskReport] = []
        failure: ResourceError | None = None
        try:
            hold = _waits_for_new_codes(context, lake, catalog)
            for turn in range(BATCHES_A_RUN):
                with lake.tables(f"batches/{context.run.run_id}/{turn}") as tables:
                    if turn and queue.approximate_depth() and (found := register(tables, bucket, queue)).new:
                        context.log_event(dg.AssetMaterialization(["raw", "objects"], metadata=ledger_metadata(found)))
                    taken = oldest_waiting(tables)
                if taken is None:
                    break
                clock = take_through(lake, bucket, rules, catalog.contracts.values(), taken, done, hold_silver=hold)
                context.log.info("batch %s of %s objects; seconds: %s", taken.number, len(taken.objects), clock)
                if not done.conserved:
                    break
            else:
                context.instance.add_run_tags(context.run.run_id, GOES_ON)
            with lake.tables(f"conflicts/{context.run.run_id}") as tables:
                if done.whole:
                    leave_checkpoint(context, tables, catalog, done)
                conflicts = open_conflicts(tables)
                if reporting := [each.batch for each in done.bronze if "risk" in each.told]:
                    reports = reports_of(tables, reporting)
        except ResourceError as error:  # what came through before it is told first
            failure = error
        if done.bronze:
            yield from _selected(context, bronze_events(done.bronze))
            yield from _selected(context, silver_events(done.silver, done.bronze))
        yield from _selected(context, risk_events(reports))
        if failure is None:
            yield from _selected(context, conflict_checks(catalog.contracts, conflicts))
        if failure is not None:
            raise failure
        if done.bronze and not (kept := done.bronze[-1].conservation).holds:
            raise dg.Failure(
                f"batch {done.bronze[-1].batch}: {kept.read} values were read, and {kept.held} are in the tables: silver was not touched",
                allow_retries=False,
            )

    return batch


def _began_with_the_ledger(context: dg.AssetExecutionContext) -> bool:
    """Whether the run's first step has looked whether the lake is closed. One that closes it since waits for this run."""
    selection = context.run.asset_selection
    whole = context.job_name == INGEST and context.run.parent_run_id is None
    return whole or (selection is not None and dg.AssetKey(["raw", "objects"]) in selection)


def _is_closed(context: dg.AssetExecutionContext, lake: LakeResource, catalog: Catalog) -> bool:
    """Also to what would come under a new name before its tables are taken over."""
    with lake.tables(f"look/{context.run.run_id}") as tables:
        return kept_out(context, alone.look(tables)) or bool(waiting_renames(tables, catalog.contracts, catalog.released))


def _waits_for_new_codes(context: dg.AssetExecutionContext, lake: LakeResource, catalog: Catalog) -> bool:
    """Whether silver waits for codes of a new pseudonym key. Where all of them have come, silver changes over to them first."""
    contracts = list(catalog.contracts.values())
    with lake.tables(f"rekey/{context.run.run_id}") as tables:
        if not waits(tables, contracts):
            return False
        if not exchanging(tables, contracts) and not all_under(tables, catalog.contracts, key_of(contracts)):
            context.log.info("silver waits: not all rows have come under the new pseudonym key")
            return True
        announce(tables)
        upto = finished_below(tables)  # of now, and not of an announcement: silver did without the batches since
    if not others_have_ended(context.instance, context.run.run_id):
        context.log.info("silver waits: a run that may read it goes on; the next run of ingest tries again")
        return True
    context.instance.add_run_tags(context.run.run_id, LONG)
    for entity, rows in exchange(lake.tables, contracts, upto).items():
        written = {"rows": rows, "written anew under pseudonym key": key_of(contracts)}
        context.log_event(dg.AssetMaterialization(["silver", entity], metadata=written))
    return False


def _key(event: StepEvent) -> dg.AssetKey:
    return dg.AssetKey.from_coercible(event.asset_key)


def _selected(context: dg.AssetExecutionContext, events: Iterator[StepEvent]) -> Iterator[StepEvent]:
    """The step always does a whole batch; a run that selected some of its tables reports those."""
    for event in events:
        if isinstance(event, dg.AssetCheckResult):
            if dg.AssetCheckKey(_key(event), str(event.check_name)) in context.selected_asset_check_keys:
                yield event
        elif _key(event) in context.selected_asset_keys:
            yield event


def _bronze_specs(catalog: Catalog) -> Iterator[dg.AssetSpec]:
    for entity, contract in catalog.contracts.items():
        yield catalog.spec(
            ["bronze", entity],
            f"Every event of {entity} as it was released, typed by its contract. {contract.description}",
            kinds={"delta", "spark"},
            deps=[["raw", "objects"]],
            columns=schemas.bronze(contract),
            entity=entity,
            owner=contract.owner,
            skippable=True,
        )


def _quarantine_spec(catalog: Catalog) -> dg.AssetSpec:
    return catalog.spec(
        QUARANTINE,
        "What could not be loaded: where it is, which rule it breaks, in which fields; never a value.",
        kinds={"delta", "spark"},
        deps=[["raw", "objects"]],
        columns=schemas.QUARANTINE,
        skippable=True,
    )


def _risk_spec(catalog: Catalog) -> dg.AssetSpec:
    return catalog.spec(
        RISK,
        "What the platform tells of its k-groups: how many people share what leaves of them, how many say less, in counts only.",
        kinds={"delta", "spark"},
        deps=[["raw", "objects"]],
        columns=schemas.RISK,
        skippable=True,
    )


def _silver_specs(catalog: Catalog) -> Iterator[dg.AssetSpec]:
    for entity, contract in catalog.contracts.items():
        yield catalog.spec(
            ["silver", entity],
            f"The {entity} as they are now. {contract.description}",
            kinds={"delta", "spark"},
            deps=[["bronze", entity]],
            columns=schemas.silver(contract),
            entity=entity,
            owner=contract.owner,
            freshness=contract.freshness,
            skippable=True,
            tags=CURRENT,
        )

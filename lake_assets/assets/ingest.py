"""The assets that one ingest run makes: the ledger of raw objects, then a batch's bronze, quarantine and silver.

Belongs here: their specs, the order of the steps, what a materialisation shows. Not here: the steps (raw/, bronze/, silver/).

Bronze and silver are one step because Dagster would skip a silver step whenever one of the entities is absent from the batch; see
docs/decisions/0002-one-step-for-a-batch.md.
"""

from collections.abc import Iterator

import dagster as dg

from lake_assets.bronze.load import BronzeResult, load_batch
from lake_assets.catalog import Catalog
from lake_assets.metadata import Stopwatch, bars
from lake_assets.raw.batches import advance, finish_batch, pending_batches, read_batch
from lake_assets.raw.lake import ensure_lake
from lake_assets.raw.ledger import LedgerResult, register
from lake_assets.silver.current import SilverResult, merge_entities, merge_tombstones
from lake_assets.transforms import schemas
from lake_assets.transforms.rules import rules_of
from resources.lake import LakeResource
from resources.landing import LandingResource
from resources.notifications import NotificationsResource

QUARANTINE = ["bronze", "quarantine"]
CURRENT = {"pushlake/layer": "current"}
StepEvent = dg.MaterializeResult[None] | dg.AssetCheckResult


class ObjectsConfig(dg.Config):
    """`list_hours`: also list the landing bucket's hours as far back as this, for objects that no notification told of."""

    list_hours: int = 0


def ingest_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    """`raw/objects`, and the step that takes a batch from there to silver."""
    return [_objects(catalog), _batch(catalog)]


def _objects(catalog: Catalog) -> dg.AssetsDefinition:
    spec = catalog.spec(
        ["raw", "objects"],
        "The ledger: every object that landed, its size and hour, how it was found, and the batch that it belongs to.",
        kinds={"s3", "delta"},
        deps=[["platform", entity] for entity in catalog.contracts],
        columns=schemas.OBJECTS,
        skippable=True,
    )

    @dg.multi_asset(name="raw__objects", specs=[spec], pool="ingest")
    def objects(
        context: dg.AssetExecutionContext,
        config: ObjectsConfig,
        lake: LakeResource,
        landing: LandingResource,
        notifications: NotificationsResource,
    ) -> Iterator[StepEvent]:
        """Registers what has landed, and yields nothing when there is nothing to load: the run then ends here."""
        with lake.tables(f"ledger/{context.run.run_id}") as tables:
            ensure_lake(tables, catalog.contracts)
            result = register(tables, landing.open(), notifications.open(), list_hours=config.list_hours)
            if result.new or pending_batches(tables):
                yield dg.MaterializeResult(asset_key=spec.key, metadata=_ledger_metadata(result))
            else:
                context.log.info("nothing new has landed")

    return objects


def _batch(catalog: Catalog) -> dg.AssetsDefinition:
    rules = rules_of(catalog.contracts)
    specs = [*_bronze_specs(catalog), _quarantine_spec(catalog), *_silver_specs(catalog)]
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
                description="No position of the platform's order has two contents.",
            )
            for entity in catalog.contracts
        ),
    ]

    @dg.multi_asset(name="batch", specs=specs, check_specs=checks, can_subset=True, pool="ingest")
    def batch(context: dg.AssetExecutionContext, lake: LakeResource, landing: LandingResource) -> Iterator[StepEvent]:
        """The oldest batch that waits. Repeated after a crash, each step finds what it did before and changes nothing."""
        with lake.tables(f"batches/{context.run.run_id}") as tables:
            waiting = pending_batches(tables)
            if not waiting:
                return
            taken = read_batch(tables, waiting[0])
        with lake.tables(f"batch/{taken.number}") as tables:
            clock = Stopwatch()
            bronze = load_batch(tables, landing.open(), rules, taken)
            clock.lap("bronze")
            yield from _selected(context, _bronze_events(bronze))
            if not bronze.conservation.holds:
                raise dg.Failure(
                    f"batch {taken.number}: {bronze.read} values were read, and {bronze.conservation.held} are in the tables: silver was not touched",
                    allow_retries=False,
                )
            contents = bronze.conservation.contents
            merge_tombstones(tables, contents, taken.number, generation=taken.generation)
            clock.lap("tombstones")
            merged = merge_entities(lake.tables, catalog.contracts.values(), contents, taken.number, generation=taken.generation)
            clock.lap("silver")
            finish_batch(tables, taken, bronze.counts)
            advance(tables, [taken.number])
            clock.lap("closing")
            context.log.info(
                "batch %s: %s values of %s objects; seconds: %s", taken.number, bronze.read, len(taken.objects), clock
            )
        yield from _selected(context, _silver_events(merged))

    return batch


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


def _ledger_metadata(result: LedgerResult) -> dict[str, dg.MetadataValue | int]:
    return {
        "objects": result.new,
        "bytes": result.new_bytes,
        "found by listing": result.by_listing,
        "known already": result.known,
        "batches": dg.MetadataValue.json(list(result.batches)),
        "found": bars({"event": result.by_event, "listing": result.by_listing}),
    }


def _bronze_events(bronze: BronzeResult) -> Iterator[StepEvent]:
    for entity, rows in bronze.events.items():
        yield dg.MaterializeResult(asset_key=["bronze", entity], metadata={"rows added": rows, "batch": bronze.batch})
    yield dg.MaterializeResult(
        asset_key=QUARANTINE,
        metadata={
            "batch": bronze.batch,
            "objects": bronze.objects,
            "bad objects": bronze.bad_objects,
            "values read": bronze.read,
            "quarantined": sum(bronze.refused.values()),
            "reasons": bars(bronze.refused),
            "events by entity": bars(bronze.events),
        },
    )
    kept = bronze.conservation
    yield dg.AssetCheckResult(
        asset_key=QUARANTINE,
        check_name="conservation",
        passed=kept.holds,
        metadata={
            "batch": bronze.batch,
            "values read": kept.read,
            "in bronze": sum(kept.bronze.values()),
            "manifests": kept.manifests,
            "quarantined": kept.quarantined,
        },
    )


def _silver_events(merged: dict[str, SilverResult]) -> Iterator[StepEvent]:
    for entity, result in merged.items():
        yield dg.MaterializeResult(
            asset_key=["silver", entity],
            metadata={"events": result.events, "inserted": result.inserted, "updated": result.updated, "deleted": result.deleted},
        )
        yield dg.AssetCheckResult(
            asset_key=["silver", entity],
            check_name="one_content",
            passed=not result.conflicts,
            metadata={"positions": result.conflicts},
        )

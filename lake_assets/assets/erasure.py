"""Erasure in Dagster: the asset whose materialisation is the receipt, its job and its schedule.

Belongs here: when it may run, and what it shows. Not here: what is done (erasure/).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from lake_assets.assets.gold import THREADS, generations
from lake_assets.catalog import Catalog
from lake_assets.erasure.receipt import Receipt
from lake_assets.erasure.run import StillThere, due, erase
from lake_assets.gold.engine import build
from lake_assets.guard import without_values
from lake_assets.jobs import ERASURE, LONG, NOTHING_HALF_DONE
from lake_assets.raw.alone import left_to_finish, look
from lake_assets.raw.batches import pending_batches
from lake_assets.raw.lake import ensure_lake
from lake_assets.raw.session import are_small, interpreted
from lake_assets.runs import ALONE, alone
from lake_assets.silver.rekey import waits
from lake_assets.transforms import schemas
from resources.lake import LakeResource
from resources.landing import LandingResource
from resources.settings import setting

KEY = ["ops", "erasure"]
DAILY = "17 2 * * *"
SHOWN = (
    "people", "rows", "events", "returned", "objects_rewritten", "objects_removed", "versions_removed", "objects_unreadable",
    "files_vacuumed", "files_searched", "bytes_searched",
)  # fmt: skip


def erasure_asset(catalog: Catalog) -> dg.AssetsDefinition:
    """`ops/erasure`: who was asked to be erased leaves the lake, and the receipt says what went."""
    spec = catalog.spec(
        KEY,
        "Erasures: what went from which table and object, proven by a search of every file; never who.",
        kinds={"delta", "s3"},
        deps=[["bronze", entity] for entity in catalog.contracts],
        columns=schemas.ERASURES,
        skippable=True,
    )

    @dg.multi_asset(name="erase", specs=[spec], pool=ALONE)
    @without_values
    def erasure(
        context: dg.AssetExecutionContext, lake: LakeResource, landing: LandingResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Closes the lake only when somebody waits, and no batch does. A try that died is finished first."""
        run = context.run.run_id
        with lake.tables(f"erasure/look/{run}") as tables:
            ensure_lake(tables, catalog.contracts, catalog.signed)
            begun = left_to_finish(look(tables), ERASURE)
            if not begun and not due(tables, catalog.contracts):
                context.log.info("nobody is to be erased")
                return
            if waits(tables, catalog.contracts.values()):
                context.log.info("erasure waits: silver has not changed over to the new pseudonym key yet")
                return
            if not begun and (pending := pending_batches(tables)):
                context.log.info("erasure waits for %s batches to come through silver", len(pending))
                return

        def one(name: str) -> str:
            with (
                lake.tables(f"erasure/gold/{name}/{run}") as tables,
                interpreted(tables.spark, small=are_small(tables, catalog.gold[name].dependencies)),
            ):
                build(catalog.gold[name], tables.spark, tables.lake_uri)
            return name

        def gold() -> Iterator[str]:
            for names in generations(catalog, set(catalog.gold)):
                with ThreadPoolExecutor(THREADS) as pool:
                    yield from pool.map(one, names)

        with alone(lake.tables, context.instance, run, ERASURE, finish=True):
            with lake.tables(f"erasure/pending/{run}") as tables:
                pending = pending_batches(tables)
            if pending and not begun:
                context.log.info("erasure waits: a batch was registered meanwhile")
                return
            receipt, failure = None, None
            try:
                receipt = erase(
                    lake.tables,
                    lake.uri or setting("LAKE_URI"),
                    landing.open(),
                    catalog.contracts,
                    gold,
                    lambda step: context.log.info("%s", step),
                    catalog.released,
                )
            except StillThere as error:  # the tables are whole: others may go on
                failure = error
        if failure is not None:
            context.instance.add_run_tags(run, NOTHING_HALF_DONE)
            raise failure
        if receipt is not None:
            yield dg.MaterializeResult(asset_key=spec.key, metadata=receipt_metadata(receipt))

    return erasure


def receipt_metadata(receipt: Receipt) -> dict[str, dg.MetadataValue | int | float]:
    """The receipt for the UI."""
    lines = "\n".join(f"| {name} | {rows:,} | {version} |" for name, (rows, version) in sorted(receipt.tables.items()))
    return {
        "erasure": receipt.erasure,
        **{name.replace("_", " "): getattr(receipt, name) for name in SHOWN},
        "up to batch": receipt.upto_batch,
        "tables": dg.MetadataValue.md(f"| table | rows removed | version |\n|---|---|---|\n{lines}"),
        "began": dg.MetadataValue.timestamp(receipt.began_at),
        "proven": dg.MetadataValue.timestamp(receipt.ended_at),
        "seconds": round((receipt.ended_at - receipt.began_at).total_seconds(), 1),
    }


def erasure_job() -> UnresolvedAssetJobDefinition:
    """By hand, or by its schedule."""
    return dg.define_asset_job(
        ERASURE,
        selection=dg.AssetSelection.assets(dg.AssetKey(KEY)),
        description="Erases whoever is to be erased, alone, and proves it.",
        tags=LONG,
    )


def erasure_schedule(job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Daily, in the quiet of the night."""
    return dg.ScheduleDefinition(
        name="erasure_daily",
        job=job,
        cron_schedule=DAILY,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        execution_timezone="UTC",
        description="Looks once a day whether somebody is to be erased.",
    )

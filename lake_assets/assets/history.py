"""History and gold: what is built on a cadence of its own, from the batches that have come through silver.

Belongs here: their assets. Not here: how spans are made (silver/history.py), the SQL and its engine (gold/).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dagster as dg

from lake_assets.automation import on_cadence
from lake_assets.catalog import Catalog
from lake_assets.guard import without_values
from lake_assets.raw import alone
from lake_assets.raw.batches import finished_below
from lake_assets.runs import kept_out
from lake_assets.silver.history import HistoryResult, update_history
from lake_assets.silver.rekey import waits
from lake_assets.transforms import schemas
from resources.lake import LakeResource
from resources.spark import spark_errors

THREADS = 4


def history_assets(catalog: Catalog, cadence: str) -> dg.AssetsDefinition:
    """`silver/<entity>_history` for all entities in one step, in a few threads; entities without new batches are skipped."""
    specs = [
        catalog.spec(
            ["silver", f"{entity}_history"],
            f"Every state that each of the {entity} was in, and when (SCD2). {contract.description}",
            kinds={"delta", "spark"},
            deps=[["bronze", entity], ["silver", entity]],
            columns=schemas.history(contract),
            entity=entity,
            owner=contract.owner,
            automation=on_cadence(cadence),
            skippable=True,
        )
        for entity, contract in catalog.contracts.items()
    ]

    @dg.multi_asset(name="history", specs=specs, can_subset=True, pool="history")
    @without_values
    def history(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[dg.MaterializeResult[None]]:
        wanted = [e for e in catalog.contracts if dg.AssetKey(["silver", f"{e}_history"]) in context.selected_asset_keys]
        with lake.tables(f"history/{context.run.run_id}") as tables:
            if kept_out(context, alone.look(tables)):
                return
            if waits(tables, catalog.contracts.values()):
                context.log.info("history waits: silver has not changed over to the new pseudonym key yet")
                return
            upto = finished_below(tables)

        def update(entity: str) -> tuple[HistoryResult, int]:
            with lake.tables(f"history/{entity}/{upto}") as tables:
                result = update_history(tables, catalog.contracts[entity], upto)
                with spark_errors(f"counting the history of {entity}"):  # Delta's log knows the number
                    return result, tables.read("silver", f"{entity}_history").count() if _moved(result) else 0

        with ThreadPoolExecutor(THREADS) as pool:
            for result, rows in pool.map(update, wanted):
                if _moved(result):
                    yield dg.MaterializeResult(
                        asset_key=["silver", f"{result.entity}_history"],
                        metadata={
                            "dagster/row_count": rows,
                            "rows added": result.inserted,
                            "rows changed": result.updated,
                            "from batch": result.behind + 1,
                            "up to batch": result.upto_batch,
                        },
                    )

    return history


def _moved(result: HistoryResult) -> bool:
    return result.upto_batch > result.behind

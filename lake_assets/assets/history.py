"""History and gold: what is built on a cadence of its own, from the batches that have come through silver.

Belongs here: their assets. Not here: how spans are made (silver/history.py), the SQL and its engine (gold/).
"""

from collections.abc import Iterator

import dagster as dg

from lake_assets.automation import on_cadence
from lake_assets.catalog import Catalog
from lake_assets.guard import without_values
from lake_assets.raw import alone, generation
from lake_assets.raw.batches import finished_below
from lake_assets.replay.checkpoints import HISTORY, record
from lake_assets.replay.lanes import history_tables
from lake_assets.runs import kept_out
from lake_assets.silver.history import update_histories
from lake_assets.silver.rekey import present_key, waits
from lake_assets.transforms import schemas
from resources.delta_log import DeltaLogs
from resources.delta_snapshot import snapshot
from resources.lake import LakeResource


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
            known = alone.look(tables, generation.NAME)
            if kept_out(context, known):
                return
            if waits(tables, catalog.contracts.values()):
                context.log.info("history waits: silver has not changed over to the new pseudonym key yet")
                return
            upto, logs = finished_below(tables), DeltaLogs(tables.lake_uri)

        moved = False
        for result in update_histories(lake.tables, [catalog.contracts[entity] for entity in wanted], upto):
            if result.moved:
                moved = True
                yield dg.MaterializeResult(
                    asset_key=["silver", f"{result.entity}_history"],
                    metadata={
                        "dagster/row_count": snapshot(logs, ("silver", f"{result.entity}_history")).rows,
                        "rows added": result.inserted,
                        "rows changed": result.updated,
                        "from batch": result.behind + 1,
                        "up to batch": result.upto_batch,
                        "batches loaded again": result.again,
                    },
                )

        if moved and len(wanted) == len(catalog.contracts):  # a run of some entities leaves the others behind: no set
            with lake.tables(f"checkpoint/{context.run.run_id}") as tables:
                record(
                    tables, logs, HISTORY, history_tables(catalog.contracts), upto_batch=upto,
                    generation=generation.loading(known.get(generation.NAME)),
                    key_version=present_key(tables, catalog.contracts.values()),
                )  # fmt: skip

    return history

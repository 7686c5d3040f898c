"""After a deployment of contracts: what they ask of the tables that are there, done by the next run of ingest with the lake to itself.

Belongs here: when, and what Dagster shows of it. Not here: emptying columns, taking over tables (deploy/), closing the lake (runs.py).
"""

from __future__ import annotations

import dagster as dg

from lake_assets.assets.gold import generations
from lake_assets.catalog import Catalog
from lake_assets.deploy.rename import take_over, waiting_renames
from lake_assets.deploy.scrub import finish, scrub, waiting
from lake_assets.gold.engine import build
from lake_assets.gold.refreshes import forget_former
from lake_assets.jobs import INGEST
from lake_assets.raw.alone import LakeTaken
from lake_assets.raw.lake import ensure_lake
from lake_assets.raw.session import interpreted
from lake_assets.runs import alone
from lake_assets.silver.rekey import exchanging
from resources.lake import LakeResource
from resources.table_upkeep import keep_present_version


def follow_contracts(context: dg.AssetExecutionContext, lake: LakeResource, catalog: Catalog) -> bool:
    """Empties the columns of withdrawn fields, and lets renamed entities take over their tables, where that waits; whether batches may be loaded.

    Nothing may be loaded under a new name before the entity has what it had under the former one. Where the lake cannot be had alone now, the next
    run tries again. Raises SparkFailed.
    """
    with lake.tables(f"deployed/{context.run.run_id}") as tables:
        columns, renames = waiting(tables), waiting_renames(tables, catalog.contracts, catalog.released)
        if not columns and not renames:
            return True
        try:
            with alone(lake.tables, context.instance, context.run.run_id, INGEST, finish=False):
                for rename in renames:
                    rows = take_over(tables, rename)
                    told: dict[str, str | int] = {
                        "taken over from": rename.former,
                        **{f"rows of {name}": count for name, count in rows.items()},
                    }
                    context.log_event(dg.AssetMaterialization(["bronze", rename.entity], metadata=told))
                for entity, names in columns.items():
                    done = scrub(tables, entity, names)
                    finish(tables, [done])
                    told = {
                        "columns emptied": ", ".join(names),
                        **{f"values in {name}": count for name, count in done.rows.items()},
                    }
                    context.log_event(dg.AssetMaterialization(["silver", entity], metadata=told))
                if columns and not exchanging(tables, catalog.contracts.values()):
                    _build_gold_anew(lake, catalog)
        except (LakeTaken, dg.Failure) as error:  # another run has it, or does not end
            context.log.info("what the new contracts ask of the tables waits for the next run: %s", error)
            return not renames
        ensure_lake(tables, catalog.contracts, catalog.signed)  # which now finds that nothing waits
    return True


def _build_gold_anew(lake: LakeResource, catalog: Catalog) -> None:
    """So that no gold table's earlier version, and nothing that one has ever shown, was made of what is withdrawn."""
    for name in (name for names in generations(catalog, set(catalog.gold)) for name in names):
        with lake.tables(f"gold/{name}/anew") as tables:
            if not tables.exists("gold", name):
                continue
            with interpreted(tables.spark):
                build(catalog.gold[name], tables.spark, tables.lake_uri)
            keep_present_version(tables, "gold", name)
            if (memory := forget_former(catalog.gold[name], tables)) is not None:
                keep_present_version(tables, *memory)

"""After a deployment of contracts: what they ask of the tables that are there, done by the next run of ingest with the lake to itself.

Belongs here: when, and what Dagster shows of it. Not here: emptying columns, taking over tables (deploy/), closing the lake (runs.py).
"""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from lake_assets.assets.gold import generations
from lake_assets.catalog import Catalog
from lake_assets.deploy.rename import take_over, waiting_renames
from lake_assets.deploy.scrub import finish, scrub, waiting
from lake_assets.gold.engine import build
from lake_assets.gold.errors import GoldError
from lake_assets.gold.refreshes import forget_former
from lake_assets.jobs import INGEST, LONG
from lake_assets.raw.alone import LakeTaken, left_to_finish, look
from lake_assets.raw.lake import ensure_lake
from lake_assets.raw.session import interpreted
from lake_assets.runs import alone
from lake_assets.silver.rekey import exchanging
from resources.errors import ResourceError
from resources.lake import LakeResource
from resources.table_upkeep import keep_present_version
from resources.tables import LakeTables

SESSION = "deployed"
"""One run at a time does this work, all of it in this session."""


def follow_contracts(context: dg.AssetExecutionContext, lake: LakeResource, catalog: Catalog) -> bool:
    """Empties the columns of withdrawn fields, and lets renamed entities take over their tables, where that waits; whether batches may be loaded.

    Nothing may be loaded under a new name before the entity has what it had under the former one. Where the lake cannot be had alone now, the next
    run tries again. A run that died in between leaves the lake closed, since its VACUUM may still be at work, and the next run of ingest ends that
    first. Raises SparkFailed, GrainBroken where a gold table cannot be built: then the columns wait on.
    """
    run, contracts = context.run.run_id, list(catalog.contracts.values())
    with lake.tables(f"deployed/look/{run}") as tables:
        left = left_to_finish(look(tables), INGEST)
        # Gold cannot be built of silver that is of two keys, and without it nothing is emptied for good.
        columns = {} if exchanging(tables, contracts) else waiting(tables)
        renames = waiting_renames(tables, catalog.contracts, catalog.released)
    if not columns and not renames and not left:
        return True
    context.instance.add_run_tags(run, LONG)
    failure: ResourceError | GoldError | None = None
    try:
        # The session's name is that of the work, not of the run: opening it interrupts what a run that died has left at work, in any table.
        with alone(lake.tables, context.instance, run, INGEST, finish=True), lake.tables(SESSION) as tables:
            for rename in renames:
                rows = take_over(tables, rename)
                told: dict[str, str | int] = {
                    "taken over from": rename.former,
                    **{f"rows of {name}": count for name, count in rows.items()},
                }
                context.log_event(dg.AssetMaterialization(["bronze", rename.entity], metadata=told))
            done = [scrub(tables, entity, names) for entity, names in columns.items()]
            for each in done:
                told = {
                    "columns emptied": ", ".join(each.columns),
                    **{f"values in {name}": count for name, count in each.rows.items()},
                }
                context.log_event(dg.AssetMaterialization(["silver", each.entity], metadata=told))
            if done:
                try:
                    built = _build_gold_anew(tables, catalog)
                except (ResourceError, GoldError) as error:  # each table is whole: others may go on
                    failure = error
                else:
                    _forget_former_gold(tables, catalog, built)
                    finish(tables, done)
    except (LakeTaken, dg.Failure) as error:  # another run has it, or does not end
        context.log.info("what the new contracts ask of the tables waits for the next run: %s", error)
        return not renames and not left
    if failure is not None:
        raise failure
    with lake.tables(f"deployed/look/{run}") as tables:
        ensure_lake(tables, catalog.contracts, catalog.signed)  # which now finds that nothing waits
    return True


def _build_gold_anew(tables: LakeTables, catalog: Catalog) -> list[str]:
    """So that no gold table shows what is withdrawn; which tables there are. All of them before any is vacuumed: one that fails leaves nothing half done."""
    built = [name for names in generations(catalog, set(catalog.gold)) for name in names if tables.exists("gold", name)]
    for name in built:
        with interpreted(tables.spark):
            build(catalog.gold[name], tables.spark, tables.lake_uri)
    return built


def _forget_former_gold(tables: LakeTables, catalog: Catalog, names: Iterable[str]) -> None:
    """So that no gold table's earlier version, and nothing that one has ever shown, was made of what is withdrawn."""
    for name in names:
        keep_present_version(tables, "gold", name)
        if (memory := forget_former(catalog.gold[name], tables)) is not None:
            keep_present_version(tables, *memory)

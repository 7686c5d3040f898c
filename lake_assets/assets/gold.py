"""Gold: one asset for each SQL file, so that an analyst adds a table by adding a file.

Belongs here: the assets. Not here: reading, checking and rendering the SQL (gold/).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter

import dagster as dg

from lake_assets.automation import on_cadence
from lake_assets.catalog import Catalog
from lake_assets.gold.engine import GoldResult, build
from lake_assets.gold.errors import RefreshesSubtract
from lake_assets.gold.model import GoldTable
from lake_assets.gold.refreshes import check_refreshes
from lake_assets.guard import without_values
from lake_assets.metadata import preview
from lake_assets.raw import alone, generation
from lake_assets.raw.session import are_small, interpreted
from lake_assets.replay.checkpoints import GOLD, record
from lake_assets.replay.lanes import gold_tables
from lake_assets.runs import kept_out
from lake_assets.silver.rekey import exchanging, present_key
from resources.delta_log import DeltaLogs
from resources.lake import LakeResource
from resources.tables import LakeTables

THREADS = 4
TWO_REFRESHES = "two_refreshes"


def gold_assets(catalog: Catalog, cadence: str) -> dg.AssetsDefinition:
    """Every gold table, in one step: a table is built once those it reads are, several at a time."""
    specs = [
        catalog.spec(
            ["gold", table.name],
            table.header.description,
            kinds={"delta", "sql"},
            deps=[dep.split("/") for dep in table.dependencies],
            columns=[(column.name, column.type or "", column.description) for column in table.columns],
            owner=table.header.owner,
            freshness=table.header.freshness,
            automation=on_cadence(cadence),
            skippable=True,
        )
        for table in catalog.gold.values()
    ]

    checks = [
        dg.AssetCheckSpec(
            TWO_REFRESHES,
            asset=["gold", table.name],
            description="No cell, and no margin's sum, can be subtracted from what the refresh before showed to find a few people.",
        )
        for table in catalog.gold.values()
        if table.header.smallest_cell
    ]

    @dg.multi_asset(name="gold", specs=specs, check_specs=checks, can_subset=True, pool="gold")
    @without_values
    def gold(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        with lake.tables(f"gold/{context.run.run_id}") as tables:
            known = alone.look(tables, generation.NAME)
            if kept_out(context, known):
                return
            if exchanging(tables, catalog.contracts.values()):
                context.log.info("gold waits: silver changes over to the new pseudonym key")
                return
        wanted = {key.path[-1] for key in context.selected_asset_keys}

        def make(name: str) -> tuple[str, GoldResult, dict[str, dg.MarkdownMetadataValue], dg.AssetCheckResult | None]:
            asked = dg.AssetCheckKey(dg.AssetKey(["gold", name]), TWO_REFRESHES) in context.selected_asset_check_keys
            with lake.tables(f"gold/{name}/{context.run.run_id}") as tables:
                with interpreted(tables.spark, small=are_small(tables, catalog.gold[name].dependencies)):
                    result = build(catalog.gold[name], tables.spark, tables.lake_uri)
                with interpreted(tables.spark):
                    shown = preview(catalog.gold[name], tables.read("gold", name))
                    return name, result, shown, two_refreshes(catalog.gold[name], tables) if asked else None

        for names in generations(catalog, wanted):
            with ThreadPoolExecutor(THREADS) as pool:
                for name, result, shown, verdict in pool.map(make, names):
                    yield dg.MaterializeResult(
                        asset_key=["gold", name],
                        metadata={
                            "dagster/row_count": result.rows,
                            "rows suppressed": result.suppressed,
                            "as of": str(result.as_of),
                            "seconds": round(result.seconds, 1),
                            **shown,
                        },
                    )
                    if verdict is not None:
                        yield verdict
        if len(wanted) == len(catalog.gold):
            with lake.tables(f"checkpoint/{context.run.run_id}") as tables:
                record(
                    tables, DeltaLogs(tables.lake_uri), GOLD, gold_tables(catalog.gold), upto_batch=None,
                    generation=generation.loading(known.get(generation.NAME)),
                    key_version=present_key(tables, catalog.contracts.values()),
                )  # fmt: skip

    return gold


def two_refreshes(table: GoldTable, tables: LakeTables) -> dg.AssetCheckResult:
    """Whether the refresh that was just made can be subtracted from the one before. Says how many cells, and never a value."""
    key = dg.AssetKey(["gold", table.name])
    try:
        cells = check_refreshes(table, tables)
    except RefreshesSubtract as error:
        told = {"cells that can be subtracted": error.cells}
        return dg.AssetCheckResult(passed=False, asset_key=key, check_name=TWO_REFRESHES, metadata=told, description=str(error))
    return dg.AssetCheckResult(passed=True, asset_key=key, check_name=TWO_REFRESHES, metadata={"cells that both show": cells})


def generations(catalog: Catalog, wanted: set[str]) -> Iterator[list[str]]:
    """The wanted tables in groups, each after all that it reads."""
    reads = {
        name: {dep.removeprefix("gold/") for dep in catalog.gold[name].dependencies if dep.startswith("gold/")} for name in wanted
    }
    sorter = TopologicalSorter({name: deps & wanted for name, deps in reads.items()})
    sorter.prepare()
    while sorter.is_active():
        ready = list(sorter.get_ready())
        yield ready
        sorter.done(*ready)

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
from lake_assets.guard import without_values
from lake_assets.metadata import preview
from lake_assets.raw.session import interpreted
from resources.lake import LakeResource

THREADS = 4


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

    @dg.multi_asset(name="gold", specs=specs, can_subset=True, pool="gold")
    @without_values
    def gold(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[dg.MaterializeResult[None]]:
        wanted = {key.path[-1] for key in context.selected_asset_keys}

        def make(name: str) -> tuple[str, GoldResult, dict[str, dg.MarkdownMetadataValue]]:
            with lake.tables(f"gold/{name}/{context.run.run_id}") as tables, interpreted(tables.spark):
                result = build(catalog.gold[name], tables.spark, tables.lake_uri)
                return name, result, preview(catalog.gold[name], tables.read("gold", name))

        for names in _generations(catalog, wanted):
            with ThreadPoolExecutor(THREADS) as pool:
                for name, result, shown in pool.map(make, names):
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

    return gold


def _generations(catalog: Catalog, wanted: set[str]) -> Iterator[list[str]]:
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

"""Gold: one asset for each SQL file, so that an analyst adds a table by adding a file.

Belongs here: the assets. Not here: reading, checking and rendering the SQL (gold/).
"""

from __future__ import annotations

import dagster as dg

from lake_assets.automation import on_cadence
from lake_assets.catalog import Catalog
from lake_assets.gold.engine import build
from lake_assets.gold.model import GoldTable
from lake_assets.metadata import preview
from resources.lake import LakeResource


def gold_assets(catalog: Catalog, cadence: str) -> list[dg.AssetsDefinition]:
    """Every gold table."""
    return [_gold_asset(catalog, table, cadence) for table in catalog.gold.values()]


def _gold_asset(catalog: Catalog, table: GoldTable, cadence: str) -> dg.AssetsDefinition:
    spec = catalog.spec(
        ["gold", table.name],
        table.header.description,
        kinds={"delta", "sql"},
        deps=[dep.split("/") for dep in table.dependencies],
        columns=[(column.name, column.type or "", column.description) for column in table.columns],
        owner=table.header.owner,
        freshness=table.header.freshness,
        automation=on_cadence(cadence),
    )

    @dg.multi_asset(name=f"gold_{table.name}", specs=[spec], pool="gold")
    def gold(lake: LakeResource) -> dg.MaterializeResult[None]:
        with lake.tables(f"gold/{table.name}") as tables:
            result = build(table, tables.spark, tables.lake_uri)
            return dg.MaterializeResult(
                asset_key=spec.key,
                metadata={
                    "dagster/row_count": result.rows,
                    "rows suppressed": result.suppressed,
                    "as of": str(result.as_of),
                    "seconds": round(result.seconds, 1),
                    "preview": preview(tables.read("gold", table.name)),
                },
            )

    return gold

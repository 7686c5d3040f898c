"""Column lineage, from the platform's columns to gold's figures, made from the contracts and the SQL.

The path through this package: build.py makes the graph (graph.py), words.py says it in text for Dagster, page.py shows it.
"""

from lake_assets.lineage.build import build_lineage
from lake_assets.lineage.graph import Asset, Column, ColumnRef, Edge, Lineage
from lake_assets.lineage.words import as_markdown, column_description, dagster_column_deps

__all__ = [
    "Asset",
    "Column",
    "ColumnRef",
    "Edge",
    "Lineage",
    "as_markdown",
    "build_lineage",
    "column_description",
    "dagster_column_deps",
]

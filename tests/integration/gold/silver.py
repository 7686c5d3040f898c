"""Small silver tables made by hand. Belongs here: filling what a row leaves out. Not here: rows of a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lake_assets.gold.schema import silver_tables
from publisher.contracts import Contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Rows = Iterable[Mapping[str, Any]]


def silver_frame(spark: SparkSession, contracts: Mapping[str, Contract], key: str, rows: Rows = ()) -> DataFrame:
    """A table with the columns that the contracts give it; a row holds what matters to the test, the rest is null."""
    columns = silver_tables(contracts)[key]
    values = []
    for number, row in enumerate(rows, start=1):
        assert set(row) <= set(columns), f"{key} has no {set(row) - set(columns)}"
        values.append(tuple({"_seq": number, **row}.get(name) for name in columns))
    return spark.createDataFrame(values, ", ".join(f"`{name}` {kind}" for name, kind in columns.items()))


def silver_views(spark: SparkSession, contracts: Mapping[str, Contract], rows: Mapping[str, Rows]) -> dict[str, str]:
    """All silver tables as views of the session, empty where `rows` says nothing; the mapping that `render` takes."""
    placed = {}
    for key in silver_tables(contracts):
        name = key.replace("/", "_")
        silver_frame(spark, contracts, key, rows.get(key, ())).createOrReplaceTempView(name)
        placed[key] = name
    return placed

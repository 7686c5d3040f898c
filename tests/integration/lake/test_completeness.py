"""Proves what completeness says where there is nothing yet, or not everything."""

from __future__ import annotations

from pyspark.sql import SparkSession

from lake_assets.completeness import Completeness, verify_manifests
from resources.tables import LakeTables


def test_a_lake_that_has_no_tables_yet_is_complete_up_to_nothing(spark: SparkSession, lake_uri: str) -> None:
    """The check looks at each tick, and its first may come before the first batch."""
    assert verify_manifests(LakeTables(spark, lake_uri), ["debts"]) == {"debts": Completeness("debts", None, None, 0, ())}

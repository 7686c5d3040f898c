"""Upkeep of one Delta table: files joined, files that nobody needs deleted, properties changed.

Belongs here: the statements and what they ask of the session. Not here: which tables and when (lake_assets/care), who may run beside it (lake_assets/runs.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from resources.spark import spark_errors
from resources.table_schema import properties_sql
from resources.tables import VACUUM, LakeTables


def compact(tables: LakeTables, layer: str, name: str, *, small_bytes: int, large_bytes: int, hidden_share: float) -> None:
    """Joins files below `small_bytes` into files of up to `large_bytes`, in each partition, and writes those anew of whose rows a larger share is hidden.

    One commit, that changes no row. Files in between stay as they are, so its cost is that of what came since the last time: Delta's own bound of 1 GiB would
    write a table below that anew each time. An append may run beside it; a MERGE may not, one of the two would fail.
    """
    settings = {
        "spark.databricks.delta.optimize.minFileSize": str(small_bytes),
        "spark.databricks.delta.optimize.maxFileSize": str(large_bytes),
        "spark.databricks.delta.optimize.maxDeletedRowsRatio": str(hidden_share),
    }
    with spark_errors(f"compacting {layer}/{name}"), tables.settings(settings):
        tables.spark.sql(f"OPTIMIZE {tables.sql_name(layer, name)}").collect()


def vacuum(tables: LakeTables, layer: str, name: str) -> None:
    """Deletes the files that no version of the last days needs: how many days, the table's `delta.deletedFileRetentionDuration` says.

    Time travel and RESTORE to before end. Delta refuses a retention that is shorter than the table's, so none is given.
    """
    settings = {key: value for key, value in VACUUM.items() if "retentionDurationCheck" not in key}
    with spark_errors(f"vacuuming {layer}/{name}"), tables.settings(settings):
        tables.spark.sql(f"VACUUM {tables.sql_name(layer, name)}").collect()


def set_properties(tables: LakeTables, layer: str, name: str, properties: Mapping[str, str]) -> None:
    """Changes properties of a table. Nobody may write beside it: whoever does fails."""
    with spark_errors(f"setting properties of {layer}/{name}"):
        tables.spark.sql(f"ALTER TABLE {tables.sql_name(layer, name)} SET TBLPROPERTIES ({properties_sql(properties)})").collect()

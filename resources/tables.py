"""The lake's Delta tables: made, appended to, merged into, replaced, each idempotently.

Belongs here: how a table is written so that a repeated batch changes nothing and the log holds no value. Not here: which
tables there are and what is in them (lake_assets). SQL only: Delta's Python API does not work over Spark Connect.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from resources.delta_log import DeltaLogs
from resources.spark import spark_errors
from resources.table_schema import added_columns, columns_ddl, properties_sql, quoted, table_properties

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

_TXN_APP = "spark.databricks.delta.write.txnAppId"
_TXN_VERSION = "spark.databricks.delta.write.txnVersion"
_USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
WRITTEN_ANEW = {f"spark.databricks.delta.{statement}.deletionVectors.persistent": "false" for statement in ("merge", "update")}
"""Writes the files anew that a statement changes, instead of hiding rows in them: where what was there must go."""

_ABSENT = ("PATH_NOT_FOUND", "DELTA_TABLE_NOT_FOUND", "DELTA_PATH_DOES_NOT_EXIST", "DELTA_MISSING_DELTA_TABLE")


@dataclass(frozen=True)
class MergeCounts:
    """Rows that a MERGE touched; all 0 when the batch was there already."""

    updated: int
    deleted: int
    inserted: int

    @property
    def affected(self) -> int:
        return self.updated + self.deleted + self.inserted


class LakeTables:
    """The tables under one lake, through one session.

    For one thread at a time, as its session is: give each thread a LakeTables of its own.
    """

    def __init__(self, spark: SparkSession, lake_uri: str, s3: S3Client | None = None) -> None:
        """`s3` reads the logs of a lake on S3; made from the environment unless given."""
        self.spark = spark
        self._s3 = s3
        self.lake_uri = spark_uri(lake_uri)
        self._merging = threading.Lock()

    @cached_property
    def logs(self) -> DeltaLogs:
        """The tables' logs, for what is known of a table without asking Spark."""
        return DeltaLogs(self.lake_uri, self._s3)

    def path(self, layer: str, name: str) -> str:
        return f"{self.lake_uri}/{layer}/{name}"

    def sql_name(self, layer: str, name: str) -> str:
        """The table as SQL names it, for FROM and JOIN."""
        return f"delta.{quoted(self.path(layer, name))}"

    def read(self, layer: str, name: str, version: int | None = None) -> DataFrame:
        """The table as it is, or as it was in a version."""
        reader = self.spark.read.format("delta")
        return (reader if version is None else reader.option("versionAsOf", version)).load(self.path(layer, name))

    def schema(self, layer: str, name: str) -> StructType | None:
        """The table's schema, or None where there is no table."""
        from pyspark.errors.exceptions.base import AnalysisException

        with spark_errors(f"reading the schema of {layer}/{name}"):
            try:
                return self.read(layer, name).schema
            except AnalysisException as error:
                if is_absent(error.getCondition() or ""):
                    return None
                raise

    def exists(self, layer: str, name: str) -> bool:
        return self.schema(layer, name) is not None

    def ensure(
        self,
        layer: str,
        name: str,
        schema: StructType | str,
        partition_by: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
    ) -> StructType | None:
        """Makes the table if there is none, and adds the columns that it lacks; the schema that it had before, None for a new one.

        `schema` is a StructType (a field's `comment` metadata becomes its description) or DDL. The properties are those of
        a new table; an existing one keeps its own. Raises SchemaConflict when a column is there with another type.
        """
        wanted = self._struct(schema)
        has = self.schema(layer, name)
        table = self.sql_name(layer, name)
        with spark_errors(f"making {layer}/{name}"):
            if has is None:
                partitions = f" PARTITIONED BY ({', '.join(map(quoted, partition_by))})" if partition_by else ""
                all_properties = table_properties(wanted, partition_by, properties or {})
                self.spark.sql(
                    f"CREATE TABLE IF NOT EXISTS {table} ({columns_ddl(wanted.fields)}) USING DELTA{partitions} "
                    f"TBLPROPERTIES ({properties_sql(all_properties)})"
                ).collect()
            elif added := added_columns(f"{layer}/{name}", has, wanted):
                for field in added:
                    field.nullable = True  # rows that are there already have no value for it
                self.spark.sql(f"ALTER TABLE {table} ADD COLUMNS ({columns_ddl(added)})").collect()
        return has

    def append(self, layer: str, name: str, df: DataFrame, *, batch: int, generation: int = 0) -> None:
        """Appends a batch once: repeated with the same batch and generation, it changes nothing.

        Each batch is a transaction id of its own, with version 0: Delta skips in silence a version that is not higher than
        the last of its id, so one id with the batch as version would lose every batch that comes out of order.
        """
        with spark_errors(f"appending batch {batch} to {layer}/{name}"):
            (
                df.write.format("delta")
                .mode("append")
                .option("txnAppId", transaction(layer, name, generation, batch))
                .option("txnVersion", 0)
                .option("userMetadata", commit_note(batch, generation))
                .save(self.path(layer, name))
            )

    def replace_batch(self, layer: str, name: str, df: DataFrame, *, batch: int, generation: int = 0) -> None:
        """Puts `df` in the place of the rows of `_batch = batch`; every row of `df` must be of that batch."""
        with spark_errors(f"replacing batch {batch} of {layer}/{name}"):
            (
                df.write.format("delta")
                .mode("overwrite")
                .option("replaceWhere", f"_batch = {int(batch)}")
                .option("userMetadata", commit_note(batch, generation))
                .save(self.path(layer, name))
            )

    def overwrite(
        self, layer: str, name: str, df: DataFrame, *, batch: int | None = None, partition_by: Sequence[str] = ()
    ) -> None:
        """Puts `df` in the place of all rows; the table takes the schema of `df`, and these partitions."""
        with spark_errors(f"overwriting {layer}/{name}"):
            writer = df.write.format("delta").mode("overwrite").option("overwriteSchema", "true").partitionBy(*partition_by)
            if batch is not None:
                writer = writer.option("userMetadata", commit_note(batch, 0))
            writer.save(self.path(layer, name))

    def merge(
        self,
        layer: str,
        name: str,
        source: DataFrame,
        clauses: str,
        *,
        batch: int,
        generation: int = 0,
    ) -> MergeCounts:
        """Merges `source` (alias `s`) into the table (alias `t`) once a batch.

        `clauses` is the SQL from ON onwards: `ON t._key = s._key WHEN MATCHED … THEN UPDATE SET …`. It must hold column names
        only, never a value: Delta writes it into the log.
        """
        view = f"merge_{uuid.uuid4().hex}"
        with spark_errors(f"merging batch {batch} into {layer}/{name}"), self._merging:
            source.createOrReplaceTempView(view)
            try:
                with self.settings(
                    {
                        _TXN_APP: transaction(layer, name, generation, batch),
                        _TXN_VERSION: "0",
                        _USER_METADATA: commit_note(batch, generation),
                    }
                ):
                    rows = self.spark.sql(f"MERGE INTO {self.sql_name(layer, name)} AS t USING {view} AS s {clauses}").collect()
            finally:
                self.spark.catalog.dropTempView(view)
        if not rows:
            return MergeCounts(0, 0, 0)
        return MergeCounts(rows[0].num_updated_rows, rows[0].num_deleted_rows, rows[0].num_inserted_rows)

    def restore(self, layer: str, name: str, version: int) -> None:
        """Makes the table what it was in a version, its columns included. Repeated, it changes nothing.

        It does not take transaction ids back: what is to be written once more needs another generation. It fails when VACUUM has
        removed files of that version.
        """
        with spark_errors(f"restoring {layer}/{name} to version {version}"):
            self.spark.sql(f"RESTORE TABLE {self.sql_name(layer, name)} TO VERSION AS OF {int(version)}").collect()

    def delete_matching(self, layer: str, name: str, source: DataFrame, on: str, *, note: str) -> int:
        """Deletes the rows of the table (alias `t`) that match one of `source` (alias `s`), out of the files as well; how many.

        `on` must hold column names only: Delta writes it into the log, and a DELETE would write its literals there. `note` is what the commit says of itself.
        """
        view = f"delete_{uuid.uuid4().hex}"
        with spark_errors(f"deleting from {layer}/{name}"), self._merging:
            source.createOrReplaceTempView(view)
            try:
                with self.settings({_USER_METADATA: note, **WRITTEN_ANEW}):
                    merge = f"MERGE INTO {self.sql_name(layer, name)} AS t USING {view} AS s ON {on} WHEN MATCHED THEN DELETE"
                    rows = self.spark.sql(merge).collect()
            finally:
                self.spark.catalog.dropTempView(view)
        return int(rows[0].num_deleted_rows) if rows else 0

    def version(self, layer: str, name: str) -> int:
        """The number of the table's last commit."""
        with spark_errors(f"reading the version of {layer}/{name}"):
            last = self.spark.sql(f"DESCRIBE HISTORY {self.sql_name(layer, name)} LIMIT 1").collect()
            return int(last[0].version)

    @contextmanager
    def settings(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Settings of the session for one statement, and then what was set before. A transaction id that stays set skips the next MERGE, in silence."""
        before = {key: self.spark.conf.get(key, None) for key in settings}  # None: not set
        try:
            for key, value in settings.items():
                self.spark.conf.set(key, value)
            yield
        finally:
            for key, former in before.items():
                if former is None:
                    self.spark.conf.unset(key)
                else:
                    self.spark.conf.set(key, former)

    def _struct(self, schema: StructType | str) -> StructType:
        if isinstance(schema, str):
            return self.spark.createDataFrame([], schema).schema
        return schema


def is_absent(condition: str) -> bool:
    """Whether Spark's error class says that there is no such table."""
    return condition.split(".")[0] in _ABSENT


def transaction(layer: str, name: str, generation: int, batch: int) -> str:
    """Delta's transaction id of one batch of one table; a rollback starts a new generation, so its batches load again."""
    return f"{layer}/{name}/{generation}/{batch}"


def commit_note(batch: int, generation: int) -> str:
    """What a commit says of itself in DESCRIBE HISTORY."""
    return f'{{"batch":{batch},"generation":{generation}}}'


def spark_uri(uri: str) -> str:
    """A lake's URI as Spark's file systems name it: s3:// is s3a:// there."""
    trimmed = uri.rstrip("/")
    return "s3a://" + trimmed.removeprefix("s3://") if trimmed.startswith("s3://") else trimmed

"""Delta's traps, each shown to be there still, and shown not to catch what this lake writes.

Here because a new version of Delta may close one of them, or open it wider: resources/tables.py is built around them. Others stand where
their remedy is tested: batches out of order and an id that stays set after a failed MERGE in test_tables.py, a second server in
test_spark_server.py.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from resources.spark import SparkConnectResource
from resources.tables import LakeTables
from tests.fixtures.spark import SparkTestServer

SCHEMA = "_key STRING, _seq BIGINT, _batch BIGINT"
MERGE = "ON t._key = s._key WHEN NOT MATCHED THEN INSERT *"
BY_SEQ = "ON t._seq = s._seq WHEN NOT MATCHED THEN INSERT *"
SLOW_MILLIS = 1500
"""A row."""
ORPHANS = f'''
import sys, threading, time
from resources.spark import open_session
from resources.tables import LakeTables

def write(batch):
    tables = LakeTables(open_session(sys.argv[1], f"trap/{{batch}}"), sys.argv[2])
    slow = f"""
        SELECT cast(id AS string) AS _key, id AS _seq, {{batch}}L AS _batch FROM range(3)
        WHERE concat(reflect('java.lang.System', 'setProperty', 'trap.{{batch}}', '{{sys.argv[3]}}'), reflect('java.lang.Thread', 'sleep', {SLOW_MILLIS}L)) <> '-'
    """
    tables.append("bronze", "things", tables.spark.sql(slow).coalesce(1), batch=batch)

for batch in (1, 2):
    threading.Thread(target=write, args=[batch]).start()
time.sleep(300)
'''
"""Two clients that append slowly: reflect() calls Java's sleep on the server for each row, and tells by a property that it is there."""


@pytest.fixture
def tables(spark: SparkSession, lake_uri: str) -> LakeTables:
    made = LakeTables(spark, lake_uri)
    made.ensure("bronze", "things", SCHEMA)
    return made


def rows(spark: SparkSession, batch: int) -> DataFrame:
    return spark.range(3).selectExpr("cast(id AS string) AS _key", "id AS _seq", f"{batch}L AS _batch")


def batches(tables: LakeTables) -> dict[int, int]:
    found = tables.read("bronze", "things").groupBy("_batch").count().collect()
    return {row._batch: row["count"] for row in found}


def test_a_lower_transaction_version_is_skipped_in_silence_and_ours_is_not(spark: SparkSession, tables: LakeTables) -> None:
    for batch in (3, 2):
        frame = rows(spark, batch).write.format("delta").mode("append")
        frame.option("txnAppId", "one id").option("txnVersion", batch).save(tables.path("bronze", "things"))
    assert batches(tables) == {3: 3}, "Delta says nothing of batch 2"
    tables.append("bronze", "things", rows(spark, 2), batch=2)
    assert batches(tables) == {3: 3, 2: 3}


def test_restore_keeps_the_ids_so_that_only_a_new_generation_loads_again(spark: SparkSession, tables: LakeTables) -> None:
    tables.append("bronze", "things", rows(spark, 1), batch=1)
    before = tables.version("bronze", "things")
    tables.append("bronze", "things", rows(spark, 2), batch=2)
    spark.sql(f"RESTORE TABLE {tables.sql_name('bronze', 'things')} TO VERSION AS OF {before}").collect()
    tables.append("bronze", "things", rows(spark, 2), batch=2)
    assert batches(tables) == {1: 3}, "Delta believes that it has batch 2"
    for _ in range(2):
        tables.append("bronze", "things", rows(spark, 2), batch=2, generation=1)
    assert batches(tables) == {1: 3, 2: 3}


def test_an_id_that_stays_set_skips_the_next_merge_and_ours_does_not_stay(spark: SparkSession, tables: LakeTables) -> None:
    spark.conf.set("spark.databricks.delta.write.txnAppId", "of the session")
    spark.conf.set("spark.databricks.delta.write.txnVersion", "0")
    rows(spark, 1).createOrReplaceTempView("first")
    rows(spark, 2).selectExpr("_key", "_seq + 10 AS _seq", "_batch").createOrReplaceTempView("second")
    for view in ("first", "second"):
        spark.sql(f"MERGE INTO {tables.sql_name('bronze', 'things')} t USING {view} s {BY_SEQ}").collect()
    assert set(batches(tables)) == {1}, "the second is skipped in silence"
    for name in ("txnAppId", "txnVersion"):
        spark.conf.unset(f"spark.databricks.delta.write.{name}")
    other = spark.sql("SELECT '7' AS _key, 7L AS _seq, 7L AS _batch")
    assert tables.merge("bronze", "things", rows(spark, 1), MERGE, batch=1).inserted == 0, "all are there"
    assert tables.merge("bronze", "things", other, MERGE, batch=2).inserted == 1


def test_what_a_killed_client_left_commits_later_or_is_interrupted_and_lands_once(
    spark_server: SparkTestServer, tables: LakeTables, lake_uri: str
) -> None:
    mark = uuid.uuid4().hex
    orphaned = subprocess.Popen(
        [sys.executable, "-c", ORPHANS, spark_server.remote, lake_uri, mark], cwd=Path(__file__).parents[3]
    )
    try:
        for batch in (1, 2):
            until(lambda batch=batch: at_work(tables.spark, batch) == mark, "the server was to work on the orphans")
    finally:
        orphaned.kill()
        orphaned.wait()
    # Batch 2 is repeated under its name at once, batch 1 by nobody.
    with SparkConnectResource(remote=spark_server.remote).session("trap/2") as session:
        again = LakeTables(session, lake_uri)
        again.append("bronze", "things", rows(session, 2), batch=2)
        assert batches(again).get(2) == 3
    until(lambda: batches(tables).get(1) == 3, "the orphan of batch 1 was to commit after its client's death")
    tables.append("bronze", "things", rows(tables.spark, 1), batch=1)
    time.sleep(SLOW_MILLIS / 1000)
    assert batches(tables) == {1: 3, 2: 3}


def at_work(spark: SparkSession, batch: int) -> str:
    (row,) = spark.sql(f"SELECT reflect('java.lang.System', 'getProperty', 'trap.{batch}') AS mark").collect()
    return str(row.mark)


def until(true: Callable[[], bool], why: str) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, why
        time.sleep(0.2)

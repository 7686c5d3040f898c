"""What upkeep does to one Delta table: a MERGE marks rows, OPTIMIZE joins files and changes nothing else, VACUUM ends what is older than is kept."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from lake_assets.care.compaction import Compacted, compact_tables
from lake_assets.care.look import Bounds
from lake_assets.care.properties import give, lacking
from lake_assets.care.vacuum import vacuum_tables
from lake_assets.raw.session import interpreted
from resources.delta_log import DeltaLogs
from resources.delta_snapshot import snapshot
from resources.errors import SparkFailed
from resources.spark import close_session, open_session
from resources.table_upkeep import compact, set_properties
from resources.tables import LakeTables
from tests.fixtures.spark import SparkTestServer
from tests.integration.statistics import statistics_in

THINGS = ("silver", "things")
SCHEMA = "note STRING, _key STRING, _seq BIGINT, _batch BIGINT"
MERGE = (
    "ON t._key = s._key WHEN MATCHED AND s._seq > t._seq THEN UPDATE SET note = s.note, _seq = s._seq, _batch = s._batch "
    "WHEN NOT MATCHED THEN INSERT *"
)
FEW = Bounds(files=4, small_bytes=1 << 20, large_bytes=1 << 24)
NOTE = "plain-value"


@pytest.fixture
def tables(spark: SparkSession, lake_uri: str) -> Iterator[LakeTables]:
    made = LakeTables(spark, lake_uri)
    made.ensure(*THINGS, SCHEMA)
    with interpreted(spark):
        spark.conf.set("spark.databricks.delta.merge.deletionVectors.persistent", "true")  # as where the table is large
        yield made


@pytest.fixture
def logs(lake_uri: str) -> DeltaLogs:
    return DeltaLogs(lake_uri)


def rows(spark: SparkSession, batch: int, count: int = 3, first: int = 0) -> DataFrame:
    """Rows of a batch, in one file."""
    made = spark.range(first, first + count).selectExpr(
        f"'{NOTE}' AS note", "cast(id AS string) AS _key", f"id + {batch}000 AS _seq", f"{batch}L AS _batch"
    )
    return made.coalesce(1)


def per_batch(tables: LakeTables, version: int | None = None) -> Counter[int]:
    return Counter({row._batch: row["count"] for row in tables.read(*THINGS, version).groupBy("_batch").count().collect()})


def compacted(server: SparkTestServer, tables: LakeTables, logs: DeltaLogs, bounds: Bounds = FEW) -> list[Compacted]:
    @contextmanager
    def opened(name: str) -> Iterator[LakeTables]:
        session = open_session(server.remote, name)
        yield LakeTables(session, tables.lake_uri)
        close_session(session)

    return compact_tables(opened, logs, [THINGS], bounds)


def test_a_merge_of_few_keys_marks_their_rows_and_keeps_the_file(tables: LakeTables, logs: DeltaLogs) -> None:
    tables.append(*THINGS, rows(tables.spark, 1, 1000), batch=1)
    [large] = snapshot(logs, THINGS).files
    tables.merge(*THINGS, rows(tables.spark, 2, 5, first=998), MERGE, batch=2)
    files = {file.name: file for file in snapshot(logs, THINGS).files}
    assert files.pop(large.name).hidden == 2
    assert [(file.rows, file.hidden) for file in files.values()] == [(5, 0)], "what changed and what is new, and no other row"
    assert per_batch(tables) == {1: 998, 2: 5}


def test_compaction_joins_files_and_changes_no_row_version_id_or_statistic(
    spark_server: SparkTestServer, tables: LakeTables, logs: DeltaLogs
) -> None:
    most = 0
    for batch in range(1, 11):
        tables.append(*THINGS, rows(tables.spark, batch, first=batch * 10), batch=batch)
        if batch == 3:
            tables.merge(*THINGS, rows(tables.spark, 103, 1, first=11), MERGE, batch=103)
        most = max(most, len(snapshot(logs, THINGS).files))
        before = snapshot(logs, THINGS)
        was = per_batch(tables) if batch in (5, 10) else None
        for done in compacted(spark_server, tables, logs):
            assert (done.before.version, done.after.files) == (before.version, 1)
            assert done.before.rows == done.after.rows
            assert done.after.hidden == 0
            if was:
                assert per_batch(tables) == was == per_batch(tables, before.version), "now, and as it was"
    assert most <= FEW.files + 2, "however long it goes on"
    now = per_batch(tables)
    assert now.total() == 10 * 3

    tables.append(*THINGS, rows(tables.spark, 7, first=70), batch=7)
    assert per_batch(tables) == now, "a batch that is there is known behind a compaction, too"
    tables.replace_batch(*THINGS, rows(tables.spark, 7, count=5, first=70), batch=7)
    assert per_batch(tables) == now + Counter({7: 2}), "and replaced, alone"
    tables.restore(*THINGS, before.version)
    assert per_batch(tables) == was
    folder = Path(unquote(urlsplit(tables.path(*THINGS)).path))
    found = statistics_in(
        (f"silver/things/{file.relative_to(folder)}", file.read_bytes()) for file in folder.rglob("*") if file.is_file()
    )
    assert {"log", "checkpoint", "footer"} <= set(found.looked_at)
    assert {column for each in found.columns.values() for _, column in each} == {"_seq", "_batch"}
    assert NOTE not in "".join(file.read_text() for file in folder.glob("_delta_log/*.json"))


def test_what_is_joined_came_together_so_a_batch_is_still_looked_for_in_one_file(
    spark_server: SparkTestServer, tables: LakeTables, logs: DeltaLogs
) -> None:
    """Files stop being small after a while, and compaction leaves those alone: of batches each spans a stretch of its own, without any ordering."""
    size = None
    for batch in range(1, 9):
        tables.append(*THINGS, rows(tables.spark, batch, 300), batch=batch)
        size = size or snapshot(logs, THINGS).files[0].size
        compacted(spark_server, tables, logs, Bounds(files=2, small_bytes=2 * size, large_bytes=100 * size))
    spans = sorted(
        (file.statistics["minValues"]["_batch"], file.statistics["maxValues"]["_batch"]) for file in snapshot(logs, THINGS).files
    )
    assert 1 < len(spans) < 6
    assert all(low <= high for low, high in spans)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))


def test_a_merge_beside_a_compaction_fails_and_an_append_does_not(
    spark_server: SparkTestServer, tables: LakeTables, logs: DeltaLogs
) -> None:
    """Why compaction takes the pool of those who merge: should Delta learn to bear it, this fails, and the pool need not be taken."""
    for batch in range(1, 4):
        tables.append(*THINGS, rows(tables.spark, batch, first=batch * 10), batch=batch)
    # Spark must evaluate each row: a second a row, while the other client compacts.
    slow = rows(tables.spark, 9, 4, first=10).where("reflect('java.lang.Thread', 'sleep', 1000L) IS NULL OR _key <> '-'")
    caught: list[SparkFailed] = []

    def merge() -> None:
        try:
            tables.merge(*THINGS, slow, MERGE, batch=9)
        except SparkFailed as error:
            caught.append(error)

    other = LakeTables(open_session(spark_server.remote), tables.lake_uri)
    with interpreted(other.spark):
        for write, expected in ((merge, True), (lambda: tables.append(*THINGS, slow, batch=10), False)):
            thread = threading.Thread(target=write)
            thread.start()
            time.sleep(1.0)
            assert thread.is_alive()
            compact(other, *THINGS, small_bytes=1 << 20, large_bytes=1 << 24, hidden_share=0.2)
            assert thread.is_alive(), "it was to commit after the compaction"
            thread.join()
            assert bool(caught) == expected
            caught.clear()
            other.append(*THINGS, rows(other.spark, 11, first=500), batch=11)  # something to join once more
    close_session(other.spark)
    assert per_batch(tables)[9] == 4, "of the append"


def test_vacuum_ends_what_is_older_than_is_kept_and_nothing_else(
    spark_server: SparkTestServer, tables: LakeTables, logs: DeltaLogs
) -> None:
    @contextmanager
    def opened(_: str) -> Iterator[LakeTables]:
        yield tables

    for batch in range(1, 4):
        tables.append(*THINGS, rows(tables.spark, batch, first=batch * 10), batch=batch)
    tables.merge(*THINGS, rows(tables.spark, 5, 1, first=11), MERGE, batch=5)
    with_vector = tables.version(*THINGS)
    tables.merge(*THINGS, rows(tables.spark, 6, 1, first=12), MERGE, batch=6)
    compacted(spark_server, tables, logs, Bounds(files=1))
    now = per_batch(tables)
    assert vacuum_tables(opened, logs, [THINGS]) == [], "all of it went within seven days"
    assert snapshot(logs, THINGS, with_vector).names <= logs.files(THINGS)

    set_properties(tables, *THINGS, {"delta.deletedFileRetentionDuration": "interval 0 seconds"})
    [done] = vacuum_tables(opened, logs, [THINGS])
    assert (done.before.waste, done.after.waste, done.after.files) == (done.before.files - 1, 0, 1)
    assert per_batch(tables) == now
    gone = snapshot(logs, THINGS, with_vector).names - logs.files(THINGS)
    assert {name.rpartition(".")[2] for name in gone} == {"parquet", "bin"}, "rollback sees that, and does not restore"


def test_ids_that_are_over_are_in_no_checkpoint_and_a_batch_is_then_replaced(tables: LakeTables) -> None:
    folder = Path(unquote(urlsplit(tables.path(*THINGS)).path)) / "_delta_log"
    set_properties(
        tables, *THINGS, {"delta.setTransactionRetentionDuration": "interval 5 seconds", "delta.checkpointInterval": "1"}
    )
    tables.append(*THINGS, rows(tables.spark, 1), batch=1)
    assert _ids(folder) == {"silver/things/0/1"}
    time.sleep(5.5)
    tables.append(*THINGS, rows(tables.spark, 2), batch=2)
    assert _ids(folder) == {"silver/things/0/2"}
    tables.append(*THINGS, rows(tables.spark, 1), batch=1)
    assert per_batch(tables) == {1: 6, 2: 3}, "the trap: Delta does not know the batch any more"
    for _ in range(2):
        tables.replace_batch(*THINGS, rows(tables.spark, 1), batch=1)
    assert per_batch(tables) == {1: 3, 2: 3}


def test_a_table_of_before_is_given_what_keeps_it_small(tables: LakeTables, logs: DeltaLogs) -> None:
    @contextmanager
    def opened(_: str) -> Iterator[LakeTables]:
        yield tables

    former = {"delta.enableDeletionVectors": "false", "delta.setTransactionRetentionDuration": "interval 3650 days"}
    tables.ensure("bronze", "former", SCHEMA, properties=former)
    tables.spark.sql(
        f"ALTER TABLE {tables.sql_name('bronze', 'former')} UNSET TBLPROPERTIES ('delta.enableDeletionVectors')"
    ).collect()
    wanted = lacking(logs, [THINGS, ("bronze", "former")])
    assert set(wanted) == {("bronze", "former")}
    give(opened, wanted)
    assert lacking(logs, [("bronze", "former")]) == {}
    tables.append("bronze", "former", rows(tables.spark, 1, 100), batch=1)
    tables.merge("bronze", "former", rows(tables.spark, 2, 1), MERGE, batch=2)
    assert sorted(file.hidden for file in snapshot(logs, ("bronze", "former")).files) == [0, 1]


def _ids(log: Path) -> set[str]:
    """The transaction ids of the last checkpoint."""
    last = max(log.glob("*.checkpoint.parquet"))
    return {row["txn"]["appId"] for row in pq.read_table(last, columns=["txn"]).to_pylist() if row["txn"]}

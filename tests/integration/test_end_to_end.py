"""The whole path on real parts, held row by row and field by field against what the platform's own database says.

PostgreSQL with the triggers, the relay, Kinesis, the Firehose (delivering some records twice), S3, SQS, Dagster's jobs, Spark and Delta.
The expected rows come from oracle.py, which shares no code with the publisher.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg.rows import dict_row

from demo.cloud.ministack import Ministack
from demo.cloud.provision import provision, unwrap_data_key
from demo.platform.traffic import Traffic
from demo.processes import Supervisor
from lake_assets.assets.one_batch import take_through
from lake_assets.raw.lake import OPS
from resources.errors import SparkFailed
from resources.landing import Landing
from resources.ports import LOOPBACK, accepts, free_port
from resources.spark import close_session, open_session
from resources.table_schema import INDEXED
from resources.tables import LakeTables
from tests.fixtures.spark import SparkTestServer
from tests.integration.browser import BROWSER, NO_BROWSER, open_browser
from tests.integration.oracle import K_GROUP, RECORDS, SUBJECTS, K, Oracle, may_say
from tests.integration.statistics import statistics_in

ROWS = 2_500
INCREMENTS = 2
ROOT = Path(__file__).parents[2]


@dataclass
class WholePath:
    """What the tests of this module look at once everything has passed through."""

    env: dict[str, str]
    tables: LakeTables
    oracle: Oracle
    written: int
    runs: list[dg.ExecuteInProcessResult]
    home: Path


def _command(env: dict[str, str], *arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def whole_path(
    cloud: Ministack,
    spark_server: SparkTestServer,
    postgres: Any,
    platform_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WholePath]:
    folder = tmp_path_factory.mktemp("whole-path")
    database = postgres.create_database("whole_path", platform_template)
    env = {
        **os.environ,
        **provision(cloud.environment(), prefix="whole-path-"),
        "PLATFORM_DATABASE_URL": database,
        "SPARK_REMOTE": spark_server.remote,
        "CONTRACTS_DIR": str(ROOT / "contracts"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        tables, oracle = _tables(env), _oracle(cloud, env)
        _command(env, "publisher.cli", "install")
        runs: list[dg.ExecuteInProcessResult] = []
        home = folder / "dagster"
        with Traffic(database, unwrap_data_key(env), seed=7) as traffic, _Dagster(home) as (job, instance):
            # Two increments, so that silver merges into rows that are there, and history has something to move.
            for part in range(INCREMENTS):
                if part == 0:
                    traffic.seed_creditors()
                traffic.run(ROWS // INCREMENTS)
                _command(env, "publisher.cli", "risk")
                _command(env, "publisher.cli", "relay", "--drain")
                _command(env, "demo.firehose", "--drain", "--duplicate-every", "7", "--checkpoints", folder / "firehose")
                runs.append(job("ingest").execute_in_process(instance=instance))
                runs.append(job("refresh").execute_in_process(instance=instance))
            yield WholePath(env, tables, oracle, traffic.stats.rows_written, runs, home)
        close_session(tables.spark)
    postgres.drop_database("whole_path")


def _tables(env: dict[str, str]) -> LakeTables:
    return LakeTables(open_session(env["SPARK_REMOTE"]), env["LAKE_URI"])


def _oracle(cloud: Ministack, env: dict[str, str]) -> Oracle:
    secrets = (env["PUBLISHER_DATA_KEY_SECRET"], env["PUBLISHER_PSEUDONYM_SECRET"])
    return Oracle(cloud.client("kms"), cloud.client("secretsmanager"), *secrets)


class _Dagster:
    """A Dagster instance in a folder of its own, and the code location's jobs on it."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def __enter__(self) -> tuple[Callable[[str], dg.JobDefinition], dg.DagsterInstance]:
        from lake_assets.definitions import defs

        repository = defs.load_fn().get_repository_def()
        self._home.mkdir(exist_ok=True)
        shutil.copy(ROOT / "dagster.yaml", self._home)
        self._context = dg.DagsterInstance.from_config(str(self._home))
        return repository.get_job, self._context.__enter__()

    def __exit__(self, *exc: object) -> None:
        self._context.__exit__(*exc)


@pytest.mark.parametrize("entity", sorted(RECORDS))
def test_silver_is_what_the_platforms_database_says(whole_path: WholePath, entity: str) -> None:
    with psycopg.connect(whole_path.env["PLATFORM_DATABASE_URL"], row_factory=dict_row) as connection:
        rows = connection.execute(psycopg.sql.SQL("SELECT * FROM {}").format(psycopg.sql.Identifier(entity))).fetchall()
    with psycopg.connect(whole_path.env["PLATFORM_DATABASE_URL"]) as connection:
        person = dict(connection.execute(SUBJECTS[entity]).fetchall())
    oracle = whole_path.oracle
    expected = {}
    for row in rows:
        record = oracle.record(entity, row)
        expected[record["id"]] = {**record, "_key": record["id"], "_subject": oracle.code("customer", person[row["id"]])}
    found = {row["_key"]: row.asDict() for row in whole_path.tables.read("silver", entity).collect()}
    assert expected, "the traffic wrote no such rows: the comparison would prove nothing"
    assert found.keys() == expected.keys()
    for key, record in expected.items():
        coarse = K_GROUP if entity == "customers" else ()
        assert {name: found[key][name] for name in record if name not in coarse} == {
            name: value for name, value in record.items() if name not in coarse
        }
        assert all(found[key][name] in may_say(name, record[name]) for name in coarse)


def test_nobody_stands_out_in_silver(whole_path: WholePath) -> None:
    """Counted by hand over silver as it is, after two looks and the people who came, changed and left between them."""
    rows = whole_path.tables.read("silver", "customers").select(*K_GROUP).collect()
    people = Counter(tuple(row) for row in rows)
    assert min(people.values()) >= K
    assert len(people) > 3, "everybody fell silent: nothing was tried"
    reports = whole_path.tables.read("ops", "risk").orderBy("computed_at").collect()
    assert [row.people for row in reports] == sorted(row.people for row in reports)
    assert len(reports) >= INCREMENTS
    assert (reports[-1].people, reports[-1].groups) == (len(rows), len(people) - ((None,) * len(K_GROUP) in people))


def test_every_write_is_in_bronze_once_or_more(whole_path: WholePath) -> None:
    counts = [
        whole_path.tables.spark.sql(
            f"SELECT count(*), count(DISTINCT _seq) FROM {whole_path.tables.sql_name('bronze', entity)}"
        ).collect()[0]
        for entity in RECORDS
    ]
    with psycopg.connect(whole_path.env["PLATFORM_DATABASE_URL"]) as connection:
        (again,) = connection.execute("SELECT coalesce(sum(resent), 0)::int FROM publisher.coarsenings").fetchone() or (0,)
    assert again > 0
    assert sum(distinct for _, distinct in counts) == whole_path.written + again
    assert sum(rows for rows, _ in counts) > whole_path.written, "the Firehose delivered nothing twice: repeats were not tried"


def test_every_event_says_under_which_contract_it_left_and_the_lake_has_that_text_and_who_signed(whole_path: WholePath) -> None:
    versions = {(row.entity, row.version): row for row in whole_path.tables.read("ops", "contracts").collect()}
    released = sorted((ROOT / "contracts" / "history").glob("*-*.yaml"))
    assert {f"{entity}-{version}.yaml": row.text for (entity, version), row in versions.items()} == {
        file.name: file.read_text() for file in released
    }
    assert len(versions) == whole_path.tables.read("ops", "contracts").count(), "each once, after several runs"
    for entity in RECORDS:
        under = {row._contract for row in whole_path.tables.read("bronze", entity).select("_contract").distinct().collect()}
        assert under, entity
        assert {(entity, version) for version in under} <= versions.keys()
        assert any(row.approved_by and row.assessment for (of, _), row in versions.items() if of == entity)


@pytest.mark.parametrize("entity", sorted(RECORDS))
def test_the_history_ends_where_silver_is(whole_path: WholePath, entity: str) -> None:
    history = whole_path.tables.read("silver", f"{entity}_history")
    current = {(row._key, row._seq_from) for row in history.where("_is_current").collect()}
    silver = {(row._key, row._seq) for row in whole_path.tables.read("silver", entity).collect()}
    assert current == silver


def test_each_manifest_agrees_and_nothing_is_in_quarantine(whole_path: WholePath) -> None:
    from lake_assets.completeness import count_verdicts

    assert set(count_verdicts(whole_path.tables)) == {"agrees"}
    assert whole_path.tables.read("ops", "quarantine").count() == 0


def test_gold_has_rows_and_every_run_of_dagster_passed_its_checks(whole_path: WholePath) -> None:
    assert all(run.success for run in whole_path.runs)
    evaluations = [e for run in whole_path.runs for e in run.get_asset_check_evaluations()]
    assert {e.check_name for e in evaluations} >= {"conservation", "one_content", "arrived", "fresh", "two_refreshes"}
    assert [e.check_name for e in evaluations if not e.passed] == []
    gold = whole_path.tables.spark.sql
    for table in (ROOT / "lake_assets" / "gold").glob("*.sql"):
        assert gold(f"SELECT count(*) FROM {whole_path.tables.sql_name('gold', table.stem)}").collect()[0][0] > 0, table.stem


def test_a_run_that_finds_nothing_new_makes_nothing(whole_path: WholePath, tmp_path: Path) -> None:
    with _Dagster(tmp_path) as (job, instance):
        run = job("ingest").execute_in_process(instance=instance)
    assert run.success
    assert run.get_asset_materialization_events() == []


def test_a_run_goes_on_with_what_lands_meanwhile_and_tells_what_it_did_before_it_fails(
    whole_path: WholePath, cloud: Ministack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two objects, the second landing while the first is loaded, and Spark failing in the second."""
    _land_a_repeat(whole_path, cloud, "first")
    taken: list[int] = []

    def through(*arguments: Any, **options: Any) -> Any:
        batch = arguments[4]
        taken.append(batch.number)
        if len(taken) == 1:
            _land_a_repeat(whole_path, cloud, "second")
        elif len(taken) == 2:
            raise SparkFailed("doing what the test says", "TRIED")
        return take_through(*arguments, **options)

    monkeypatch.setattr("lake_assets.assets.ingest.take_through", through)
    with _Dagster(tmp_path) as (job, instance):
        failed = job("ingest").execute_in_process(instance=instance, raise_on_error=False)
        mended = job("ingest").execute_in_process(instance=instance)
    assert taken == [taken[0], taken[0] + 1, taken[0] + 1]
    assert not failed.success
    told = {event.asset_key.to_user_string(): event for event in failed.get_asset_materialization_events() if event.asset_key}
    assert {"raw/objects", "bronze/customers", "silver/customers"} <= told.keys()
    assert told["bronze/customers"].materialization.metadata["batches"].value == [taken[0]]
    assert mended.success
    assert [e.passed for e in mended.get_asset_check_evaluations() if e.check_name == "conservation"] == [True]
    with _Dagster(tmp_path) as (job, instance):
        assert job("ingest").execute_in_process(instance=instance).get_asset_materialization_events() == []


def _land_a_repeat(whole_path: WholePath, cloud: Ministack, name: str) -> None:
    """An event of a customer once more, as at-least-once delivery brings it: a batch of one value that changes nothing."""
    s3 = cloud.client("s3")
    landing = Landing(whole_path.env["LANDING_URI"], s3)
    (row,) = whole_path.tables.read("bronze", "customers").limit(1).collect()
    lines = gzip.decompress(b"".join(landing.chunks(row._object, 1 << 20))).splitlines()
    (line, *_) = [each for each in lines if (event := json.loads(each))["entity"] == "customers" and event["seq"] == row._seq]
    s3.put_object(Bucket=landing.bucket, Key=f"raw/2026/11/24/00/{name}.gz", Body=gzip.compress(line + b"\n"))


WHERE = {"log", "checkpoint", "footer", "checkpoint's footer", "page index", "bloom filter"}
CHECKPOINTED = (
    ("bronze", "customers"),
    ("silver", "customers"),
    ("silver", "payments_history"),
    ("gold", "age_groups"),
    ("ops", "manifests"),
)


def test_no_log_checkpoint_or_footer_of_the_lake_holds_a_minimum_or_maximum_of_a_record(
    whole_path: WholePath, cloud: Ministack
) -> None:
    """Every object of the lake; and what a writer without our settings leaves is found in each of these places."""
    tables, s3 = whole_path.tables, cloud.client("s3")
    for layer, name in CHECKPOINTED:
        tables.spark.sql(
            f"ALTER TABLE {tables.sql_name(layer, name)} SET TBLPROPERTIES ('delta.checkpointInterval' = '1')"
        ).collect()
    objects = dict(_objects(whole_path, s3))
    for layer, name in CHECKPOINTED:
        assert [key for key in objects if key.startswith(f"{layer}/{name}/_delta_log/") and key.endswith(".parquet")], name
    known = {(table.layer, table.name): set(table.statistics) for table in OPS}
    found = statistics_in(objects.items())
    assert set(found.looked_at) == WHERE
    assert found.looked_at["footer"] > 100
    assert found.looked_at["checkpoint"] > len(CHECKPOINTED)
    everywhere = {(*table.split("/"), column, where) for where, each in found.columns.items() for table, column in each}
    beside = {each for each in everywhere if each[2] not in {*INDEXED, *known.get(each[:2], ())}}
    assert beside == set()
    assert ("bronze", "customers", "_seq", "checkpoint") in everywhere, "what may be there is seen"
    assert not any(each[-1] in ("checkpoint's footer", "bloom filter") for each in everywhere)

    _write_without_our_settings(tables, whole_path.env["LAKE_URI"], s3)
    control = statistics_in((key, data) for key, data in _objects(whole_path, s3) if key.startswith("silver/control/"))
    assert {where for where, each in control.columns.items() if ("silver/control", "amount_pence") in each} == WHERE - {
        "checkpoint's footer"
    }
    for key in [key for key, _ in _objects(whole_path, s3) if key.startswith("silver/control/")]:
        s3.delete_object(Bucket=_bucket(whole_path)[0], Key=_bucket(whole_path)[1] + key)


def _bucket(whole_path: WholePath) -> tuple[str, str]:
    """The lake's bucket, and what its keys begin with."""
    bucket, _, prefix = whole_path.env["LAKE_URI"].split("://")[1].rstrip("/").partition("/")
    return bucket, f"{prefix}/" if prefix else ""


def _objects(whole_path: WholePath, s3: Any) -> Iterator[tuple[str, bytes]]:
    bucket, prefix = _bucket(whole_path)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            yield entry["Key"].removeprefix(prefix), s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()


def _write_without_our_settings(tables: LakeTables, lake_uri: str, s3: Any) -> None:
    """A Delta table with statistics of every column and a checkpoint, and a Parquet file as any other program writes it."""
    rows = tables.spark.range(5).selectExpr("id * 7919 AS amount_pence")
    for mode in ("overwrite", "append"):
        rows.write.format("delta").mode(mode).option("delta.checkpointInterval", "1").save(tables.path("silver", "control"))
    buffer = io.BytesIO()
    table = pa.table({"amount_pence": [7919, 15838]})
    pq.write_table(table, buffer, write_page_index=True, bloom_filter_options={"amount_pence": True})
    bucket, _, prefix = lake_uri.split("://")[1].rstrip("/").partition("/")
    s3.put_object(Bucket=bucket, Key=f"{prefix}/silver/control/other.parquet".lstrip("/"), Body=buffer.getvalue())


@pytest.fixture(scope="module")
def ui(whole_path: WholePath) -> Iterator[str]:
    """The Dagster UI over what the runs of this module left; its address."""
    port = free_port()
    command = [
        Path(sys.executable).parent / "dagster-webserver",
        "-m",
        "lake_assets.definitions",
        "-h",
        LOOPBACK,
        "-p",
        str(port),
    ]
    with Supervisor(whole_path.home / "logs") as supervisor:
        env = {**whole_path.env, "DAGSTER_HOME": str(whole_path.home)}
        supervisor.start("ui", command, env=env, cwd=ROOT).wait_ready(lambda: accepts(port), 120)
        yield f"http://{LOOPBACK}:{port}"


@pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)
def test_the_ui_shows_the_graph_a_materialisation_with_its_freshness_and_the_way_from_a_withheld_column(ui: str) -> None:
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(60_000)
        page.goto(f"{ui}/asset-groups")
        for group in ("1_platform", "2_raw", "3_bronze", "4_silver", "5_gold"):
            page.get_by_text(group, exact=True).first.wait_for()
        page.goto(f"{ui}/assets/silver/customers")
        for shown in ("Latest materialization", "Freshness policy"):
            page.get_by_text(shown, exact=True).first.wait_for()
        page.goto(f"{ui}/assets/silver/customers?view=events")
        for shown in ("Materialized in run", "inserted"):
            page.get_by_text(shown).first.wait_for()
        page.goto(f"{ui}/assets/silver/customers?view=checks")
        page.get_by_text("proven complete").first.wait_for()
        page.get_by_text("complete up to").first.wait_for()
        # The way from table to table is drawn; from column to column, which the open-source UI does not draw, it stands in words.
        page.goto(f"{ui}/assets/gold/contactability?view=lineage&lineageScope=upstream")
        page.get_by_text("customers", exact=True).first.wait_for()
        page.goto(f"{ui}/assets/gold/contactability")
        page.get_by_text("From present(customers.email)").first.wait_for()

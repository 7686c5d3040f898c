"""The whole path on real parts, held row by row and field by field against what the platform's own database says.

PostgreSQL with the triggers, the relay, Kinesis, the Firehose (delivering some records twice), S3, SQS, Dagster's jobs, Spark and Delta.
The expected rows come from oracle.py, which shares no code with the publisher.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo.cloud.ministack import Emulator
from lake_assets.assets.one_batch import take_through
from resources.errors import SparkFailed
from resources.landing import Landing
from tests.integration.oracle import K_GROUP, RECORDS, K
from tests.integration.whole_path.compare import silver_is_what_the_platform_says
from tests.integration.whole_path.conftest import INCREMENTS
from tests.integration.whole_path.path import ROOT, WholePath, dagster_instance, definitions


@pytest.mark.parametrize("entity", sorted(RECORDS))
def test_silver_is_what_the_platforms_database_says(whole_path: WholePath, entity: str) -> None:
    silver_is_what_the_platform_says(whole_path, entity)


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


def test_the_lake_says_what_the_platforms_tables_say_by_their_digests(whole_path: WholePath) -> None:
    """Of the first increment: the second is compared by the next refresh."""
    compared = {
        e.asset_key.path[-1]: e.metadata["parts compared"].value
        for e in whole_path.runs[-1].get_asset_check_evaluations()
        if e.check_name == "same_state"
    }
    assert compared == dict.fromkeys(RECORDS, 256)


def test_gold_has_rows_and_every_run_of_dagster_passed_its_checks(whole_path: WholePath) -> None:
    assert all(run.success for run in whole_path.runs)
    evaluations = [e for run in whole_path.runs for e in run.get_asset_check_evaluations()]
    assert {e.check_name for e in evaluations} >= {"conservation", "one_content", "arrived", "fresh", "two_refreshes"}
    assert [e.check_name for e in evaluations if not e.passed] == []
    gold = whole_path.tables.spark.sql
    for table in (ROOT / "lake_assets" / "gold").glob("*.sql"):
        assert gold(f"SELECT count(*) FROM {whole_path.tables.sql_name('gold', table.stem)}").collect()[0][0] > 0, table.stem


def test_a_run_that_finds_nothing_new_makes_nothing(whole_path: WholePath, tmp_path: Path) -> None:
    with dagster_instance(tmp_path) as instance:
        run = definitions().get_job("ingest").execute_in_process(instance=instance)
    assert run.success
    assert run.get_asset_materialization_events() == []


def test_a_run_goes_on_with_what_lands_meanwhile_and_tells_what_it_did_before_it_fails(
    whole_path: WholePath, cloud: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    ingest = definitions().get_job("ingest")
    with dagster_instance(tmp_path) as instance:
        failed = ingest.execute_in_process(instance=instance, raise_on_error=False)
        mended = ingest.execute_in_process(instance=instance)
        again = ingest.execute_in_process(instance=instance)
    assert taken == [taken[0], taken[0] + 1, taken[0] + 1]
    assert not failed.success
    told = {event.asset_key.to_user_string(): event for event in failed.get_asset_materialization_events() if event.asset_key}
    assert {"raw/objects", "bronze/customers", "silver/customers"} <= told.keys()
    assert told["bronze/customers"].materialization.metadata["batches"].value == [taken[0]]
    assert mended.success
    assert [e.passed for e in mended.get_asset_check_evaluations() if e.check_name == "conservation"] == [True]
    assert again.get_asset_materialization_events() == []


def _land_a_repeat(whole_path: WholePath, cloud: Emulator, name: str) -> None:
    """An event of a customer once more, as at-least-once delivery brings it: a batch of one value that changes nothing."""
    s3 = cloud.client("s3")
    landing = Landing(whole_path.env["LANDING_URI"], s3)
    (row,) = whole_path.tables.read("bronze", "customers").limit(1).collect()
    lines = gzip.decompress(b"".join(landing.chunks(row._object, 1 << 20))).splitlines()
    (line, *_) = [each for each in lines if (event := json.loads(each))["entity"] == "customers" and event["seq"] == row._seq]
    s3.put_object(Bucket=landing.bucket, Key=f"raw/2026/11/24/00/{name}.gz", Body=gzip.compress(line + b"\n"))

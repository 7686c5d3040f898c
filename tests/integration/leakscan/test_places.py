"""A leak in each of the real places is found, its controls too, and everything stays as it was."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from demo.cloud.ministack import Emulator
from demo.cloud.provision import provision
from demo.leakscan import Needles, ScanReport, scan, scan_demo
from demo.leakscan.clients import only_aws
from demo.leakscan.sources import BucketSource, QueueSource, Source, StreamSource, TablesSource
from demo.platform.canaries import Canaries
from demo.platform.sensitive import text_of
from publisher.capture.tables import TABLES
from publisher.contracts import load_contracts

NAME = "Jane Q. Smith-Jones"
VALUES = [("customers.full_name", NAME), ("customers.date_of_birth", "1984-02-03"), ("plans.monthly_income", "185000")]


@pytest.fixture
def environment(cloud: Emulator, prefix: str, platform_database: str) -> dict[str, str]:
    with psycopg.connect(platform_database) as connection:
        connection.execute(TABLES)
    settings = provision(cloud.environment(), prefix=prefix, shards=2, versioning=True)
    contracts = Path(__file__).parents[3] / "contracts"
    return {**settings, "PLATFORM_DATABASE_URL": platform_database, "CONTRACTS_DIR": str(contracts)}


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    (tmp_path / "dagster").mkdir()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "relay.log").write_text("claimed 5 rows\n")
    return tmp_path


def hits(report: ScanReport) -> set[tuple[str, str, str]]:
    assert not report.incomplete
    return {(hit.source, hit.facet, hit.form) for hit in report.found}


def scanned(*sources: Source) -> ScanReport:
    return scan(sources, Needles.of(VALUES), processes=1)


def all_versions(s3: Any, bucket: str) -> set[tuple[str, str]]:
    answer = s3.list_object_versions(Bucket=bucket)
    return {(v["Key"], v["VersionId"]) for kind in ("Versions", "DeleteMarkers") for v in answer.get(kind, ())}


def test_objects_their_names_and_their_old_versions(cloud: Emulator, environment: dict[str, str], prefix: str) -> None:
    s3, bucket = cloud.client("s3"), f"{prefix}landing"
    event = json.dumps({"record": {"name": NAME}}).encode()
    s3.put_object(Bucket=bucket, Key="raw/2026/11/24/04/a.gz", Body=gzip.compress(event))
    s3.put_object(Bucket=bucket, Key="raw/2026/11/24/04/b", Body=event)
    s3.put_object(Bucket=bucket, Key="raw/2026/11/24/04/b", Body=b"mended")
    s3.put_object(Bucket=bucket, Key="errors/1984-02-03", Body=b"")
    before = all_versions(s3, bucket)
    report = scanned(BucketSource("landing", only_aws(environment), bucket))
    assert hits(report) == {
        ("landing", "gzip", "plain"),
        ("landing", "old version: bytes", "plain"),
        ("landing", "name", "plain"),
    }
    assert report.objects["landing"] == 4
    assert all_versions(s3, bucket) == before


def test_the_lakes_tables_and_their_logs(cloud: Emulator, environment: dict[str, str], prefix: str) -> None:
    s3, bucket = cloud.client("s3"), f"{prefix}lake"
    buffer = io.BytesIO()
    pq.write_table(pa.table({"name": ["a", NAME, "z"]}), buffer, compression="zstd")
    s3.put_object(Bucket=bucket, Key="silver/customers/part-0.parquet", Body=buffer.getvalue())
    statistics = json.dumps({"maxValues": {"born": "1984-02-03"}})
    log = json.dumps({"add": {"path": "part-0.parquet", "stats": statistics}}).encode()
    s3.put_object(Bucket=bucket, Key="silver/customers/_delta_log/00000000000000000000.json", Body=log)
    report = scanned(BucketSource("lake", only_aws(environment), bucket))
    assert ("lake", "Parquet values", "plain") in hits(report)
    logs = {hit.columns for hit in report.found if "_delta_log" in hit.place}
    assert logs == {"customers.date_of_birth"}
    assert {key for key, _ in all_versions(s3, bucket)} == {
        "silver/customers/part-0.parquet",
        "silver/customers/_delta_log/00000000000000000000.json",
    }


def test_the_records_of_a_stream_stay_where_they_are(cloud: Emulator, environment: dict[str, str]) -> None:
    kinesis, stream = cloud.client("kinesis"), environment["LAKE_STREAM"]
    lines = [b'{"entity":"debts"}\n', b'{"name":"JANE Q. SMITH-JONES"}\n', gzip.compress(NAME.encode())]
    for number, data in enumerate(lines):
        kinesis.put_record(StreamName=stream, PartitionKey=f"key {number}", Data=data)
    kinesis.put_record(StreamName=stream, PartitionKey=NAME, Data=b"{}")
    streams = kinesis.list_streams()["StreamNames"]
    report = scanned(StreamSource("stream", only_aws(environment), stream))
    assert hits(report) == {
        ("stream", "bytes", "case-changed"),
        ("stream", "gzip", "plain"),
        ("stream", "partition keys", "plain"),
    }
    assert kinesis.list_streams()["StreamNames"] == streams


def test_messages_are_looked_at_and_not_taken(cloud: Emulator, environment: dict[str, str]) -> None:
    sqs, url = cloud.client("sqs"), environment["LANDED_QUEUE_URL"]
    sqs.purge_queue(QueueUrl=url)
    for number in range(25):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"key": NAME if number == 17 else number}))
    dead = sqs.get_queue_url(QueueName=f"{url.rsplit('/', 1)[-1]}-dead")["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody=NAME)
    report = scanned(QueueSource("queue", only_aws(environment), url))
    assert {hit.place.rsplit("/", 1)[-1] for hit in report.found} == {url.rsplit("/", 1)[-1], dead.rsplit("/", 1)[-1]}
    assert not report.incomplete
    assert sorted(_received(sqs, url)) == [2] * 25
    assert sorted(_received(sqs, dead)) == [2]


def _received(sqs: Any, url: str) -> Iterator[int]:
    """How often each message was received: a scan adds one."""
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["ApproximateReceiveCount"], VisibilityTimeout=60
    ).get("Messages"):
        yield from (int(message["Attributes"]["ApproximateReceiveCount"]) for message in messages)


def test_dead_letters_and_all_else_in_the_publishers_schema(environment: dict[str, str]) -> None:
    url = environment["PLATFORM_DATABASE_URL"]
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO publisher.dead_letters (seq, entity, op, key, reason, fields, state) "
            "VALUES (1, 'customers', 'update', '7', %s, '{full_name}', 'parked')",
            (f"cannot release\n\t'{NAME}'",),
        )
        connection.execute("INSERT INTO publisher.releases (release, contracts) VALUES ('r', %s)", (json.dumps({"x": NAME}),))
    report = scanned(TablesSource("tables", "publisher", url))
    assert hits(report) == {("tables", "bytes", "plain")}
    assert [hit.times for hit in report.found] == [2]
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('pg_temp.leakscan_controls')").fetchone() == (None,)


def test_a_bucket_that_is_not_there_is_no_silence(environment: dict[str, str]) -> None:
    with pytest.raises(ClientError):
        scanned(BucketSource("lake", only_aws(environment), "nobodys-bucket"))


def test_a_control_that_cannot_be_planted_leaves_nothing_behind(
    cloud: Emulator, environment: dict[str, str], prefix: str
) -> None:
    s3, bucket = cloud.client("s3"), f"{prefix}landing"
    sources = [
        BucketSource("landing", only_aws(environment), bucket),
        StreamSource("stream", only_aws(environment), environment["LAKE_STREAM"]),
        BucketSource("lake", only_aws(environment), "nobodys-bucket"),
    ]
    streams = cloud.client("kinesis").list_streams()["StreamNames"]
    with pytest.raises(ClientError):
        scanned(*sources)
    assert all_versions(s3, bucket) == set()
    assert cloud.client("kinesis").list_streams()["StreamNames"] == streams


def test_the_demos_scan_reads_every_place_and_knows_what_is_public(environment: dict[str, str], run_folder: Path) -> None:
    with psycopg.connect(environment["PLATFORM_DATABASE_URL"]) as connection:
        connection.execute(
            "INSERT INTO customers (full_name, date_of_birth, status, preferred_channel, marketing_consent, created_at) "
            "VALUES ('\\x01', '\\x01', 'active', 'email', false, '2001-05-07 23:30+00')"
        )
    values = [
        *VALUES,
        ("customers.date_of_birth", "2001-05-07"),
        ("customers.date_of_birth", "2001-05-01"),
        ("customers.date_of_birth", "1980-01-01"),
        ("messages.body", "mental_health"),
    ]
    alone = scan_demo(environment, values, run_folder=run_folder, processes=1)
    assert alone.exit_code == 2, "of most columns there is nothing to search for"
    assert any("plans.monthly_income can be searched for" in reason for reason in alone.incomplete)
    made = Canaries(load_contracts(Path(environment["CONTRACTS_DIR"])), 1, date(2026, 11, 28), 720)
    values += [(str(each), text_of(value)) for each, pair in made.pairs.items() for value in pair]
    report = scan_demo(environment, values, run_folder=run_folder, processes=1)
    assert (report.exit_code, report.hits, report.incomplete) == (0, 0, [])
    assert report.left_out == {
        ("plans.monthly_income", "a number of few digits"): 1,
        ("customers.date_of_birth", "a date that the contracts release of something else"): 3,
        ("messages.body", "occurs in the contracts or the code"): 1,
    }
    assert {source for source, _ in report.controls} == {
        "landing bucket",
        "lake bucket",
        "stream",
        "queue of landed objects",
        "publisher's tables",
        "PostgreSQL's log",
        "files of the run",
        "dagster files",
        "logs files",
    }
    assert report.objects["PostgreSQL's log"] >= 1
    (run_folder / "logs" / "relay.log").write_text(f"row of {NAME}")
    assert [hit.source for hit in scan_demo(environment, values, run_folder=run_folder, processes=2).found] == ["logs files"]

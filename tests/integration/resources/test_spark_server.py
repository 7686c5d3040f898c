"""The server as tests and assets meet it: Delta tables in a folder and in S3."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from pyspark.sql import SparkSession

from demo.cloud.ministack import Emulator
from resources.lease import WriterLease
from resources.ports import free_port
from resources.spark import close_session, open_session
from resources.spark_server.commands import prepare
from resources.spark_server.layout import default_layout
from resources.spark_server.scratch import in_use


def test_a_delta_table_in_a_folder_is_written_and_read(spark: SparkSession, lake_uri: str) -> None:
    spark.range(3).write.format("delta").save(f"{lake_uri}/bronze/things")
    assert spark.read.format("delta").load(f"{lake_uri}/bronze/things").count() == 3


def test_a_delta_table_in_s3_is_written_merged_and_read(spark: SparkSession, s3_lake_uri: str) -> None:
    path = f"{s3_lake_uri}/bronze/things"
    spark.range(3).write.format("delta").save(path)
    spark.range(2, 6).createOrReplaceTempView("more")
    spark.sql(f"MERGE INTO delta.`{path}` t USING more s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *").collect()
    assert sorted(row.id for row in spark.table(f"delta.`{path}`").collect()) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_server_on_one_lake_is_refused_until_the_first_has_stopped(
    cloud: Emulator, prefix: str, tmp_path: Path, signal_number: signal.Signals
) -> None:
    cloud.client("s3").create_bucket(Bucket=prefix, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    environment = {**os.environ, **cloud.environment(), "LAKE_URI": f"s3://{prefix}"}
    first = serve(environment, tmp_path / "first")
    try:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("ready at ")
        second = serve(environment, tmp_path / "second")
        assert second.wait(60) == 1
        assert second.stderr is not None
        assert f"process {first.pid}) writes to this lake" in second.stderr.read()
        close(second)
    finally:
        first.send_signal(signal_number)
        assert first.wait(60) == 0
        close(first)
    WriterLease(cloud.client("s3"), f"s3://{prefix}", "the next one").acquire()


def test_a_server_whose_lifeline_is_cut_leaves_no_process(cloud: Emulator, tmp_path: Path) -> None:
    server = serve({**os.environ, **cloud.environment(), "LAKE_URI": ""}, tmp_path)
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdout.readline()
    java = psutil.Process(server.pid).children()
    assert [process.name() for process in java] == ["java"]
    server.stdin.close()
    assert server.wait(60) == 0
    assert not java[0].is_running()
    close(server)


def test_a_killed_command_takes_its_server_with_it_and_no_client_waits_for_it(cloud: Emulator, tmp_path: Path) -> None:
    """And its scratch folder is in use for as long as Java lives."""
    port = free_port()
    server = serve({**os.environ, **cloud.environment(), "LAKE_URI": ""}, tmp_path, port)
    assert server.stdout is not None
    server.stdout.readline()
    java = psutil.Process(server.pid).children()[0]
    session = open_session(f"sc://127.0.0.1:{port}")
    assert in_use(tmp_path / str(port))
    server.kill()
    server.wait(10)
    gone, _ = psutil.wait_procs([java], timeout=30)
    assert gone
    assert not in_use(tmp_path / str(port))
    close(server)
    begun = time.monotonic()
    close_session(session)
    assert time.monotonic() - begun < 30, "the client's own patience is ten minutes"


def test_a_taken_port_gets_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = serve({**os.environ, "LAKE_URI": ""}, tmp_path, port=taken.getsockname()[1])
        assert server.wait(60) == 1
        assert server.stderr is not None
        said = server.stderr.read()
        close(server)
    assert re.fullmatch(r"Port \d+ is taken: stop what listens there, or name another with --port\.\n", said)


def serve(environment: dict[str, str], folder: Path, port: int | None = None) -> subprocess.Popen[str]:
    prepare(default_layout())
    command = [sys.executable, "-m", "resources.spark_server", "start", "--lifeline", "--folder", str(folder)]
    return subprocess.Popen(
        [*command, "--port", str(port or free_port())],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def close(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()

"""What the lake's benchmarks stand on: one emulator of S3 and SQS with the objects in it, Spark servers, empty lakes.

Belongs here: starting, stopping, putting, telling the queue. Not here: what is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.lake.events import Load, write_objects
from demo.cloud.ministack import Ministack
from demo.cloud.provision import provision
from demo.processes import temporary_folder
from lake_assets.raw.lake import ensure_lake
from publisher.contracts import Contract
from resources.lake import LakeResource
from resources.landing import Landing
from resources.notifications import Notifications
from resources.ports import free_port
from resources.spark import SparkConnectResource
from resources.spark_server.aot import aot_options
from resources.spark_server.jvm import find_jvm
from resources.spark_server.layout import Layout, default_layout
from resources.spark_server.server import SparkServer

ROOT = Path(__file__).parents[2]
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
"""Of the sizes that the tables name, how much is measured."""

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
"""Warm ones, after a cold one."""

PACKAGES = ("dlt[deltalake,s3]==1.31.0", "polars==2.1.0", "duckdb==2.0.1", "deltalake==1.6.6", "s3fs==2026.9.0")
EMPTY = "empty"


def scaled(count: int) -> int:
    return max(1, round(count * SCALE))


@dataclass
class Site:
    """A running emulator. `env` has the AWS variables and the names of bucket and queue. Its clients count what they ask for: one of each."""

    env: dict[str, str]
    folder: Path
    s3: Any
    sqs: Any
    lakes: int = 0

    @cached_property
    def landing(self) -> Landing:
        return Landing(self.env["LANDING_URI"], self.s3)

    @cached_property
    def queue(self) -> Notifications:
        return Notifications(self.env["LANDED_QUEUE_URL"], self.sqs)

    def put(self, load: Load, *, keys_from: int) -> list[dict[str, Any]]:
        """Puts a load's objects; what S3 would tell the queue of each."""
        files = write_objects(
            load, ROOT / ".lake" / "bench" / f"{load.name}-{load.objects}-{load.events}-{load.first}", keys_from=keys_from
        )

        def put(key: str, file: Path) -> dict[str, Any]:
            body = file.read_bytes()
            answer = self.s3.put_object(Bucket=self.landing.bucket, Key=key, Body=body)
            about = {"key": key, "size": len(body), "eTag": answer["ETag"].strip('"')}
            return {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": self.landing.bucket}, "object": about}}

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(put, load.keys, files))

    def remove(self, load: Load) -> None:
        """Takes a load's objects away again."""
        for key in load.keys:
            self.s3.delete_object(Bucket=self.landing.bucket, Key=key)

    def tell(self, records: list[dict[str, Any]]) -> None:
        """Tells the queue of objects, a message each, as S3 does; what it held before is gone."""
        url = self.env["LANDED_QUEUE_URL"]
        self.sqs.purge_queue(QueueUrl=url)

        def send(start: int) -> None:
            entries = [
                {"Id": str(n), "MessageBody": json.dumps({"Records": [record]})}
                for n, record in enumerate(records[start : start + 10])
            ]
            self.sqs.send_message_batch(QueueUrl=url, Entries=entries)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, range(0, len(records), 10)))

    def new_lake(self) -> str:
        """The URI of a copy of the empty lake; Delta's paths are relative, and making its tables takes a second each."""
        bucket = self.env["LAKE_URI"].removeprefix("s3://")
        self.lakes += 1
        name = f"lake-{self.lakes}"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{EMPTY}/")
        for page in pages:
            for item in page.get("Contents", ()):
                to = name + item["Key"].removeprefix(EMPTY)
                self.s3.copy_object(Bucket=bucket, Key=to, CopySource={"Bucket": bucket, "Key": item["Key"]})
        return f"s3://{bucket}/{name}"


@contextmanager
def site() -> Iterator[Site]:
    """Starts an emulator with its buckets and queue; this process' AWS variables name it meanwhile."""
    folder = temporary_folder("bench-lake")
    with Ministack.start(folder / "cloud") as cloud:
        env = provision(cloud.environment(), shards=1)
        before = dict(os.environ)
        os.environ.update(env)
        try:
            s3, sqs = cloud.client("s3"), cloud.client("sqs")
            # S3 would tell of each object as it is put; a benchmark tells when it is measured.
            s3.put_bucket_notification_configuration(
                Bucket=env["LANDING_URI"].removeprefix("s3://"), NotificationConfiguration={}
            )
            yield Site(env, folder, s3, sqs)
        finally:
            os.environ.clear()
            os.environ.update(before)


def lake(remote: str, uri: str) -> LakeResource:
    return LakeResource(spark=SparkConnectResource(remote=remote), uri=uri)


def make_empty_lake(at: Site, remote: str, contracts: dict[str, Contract]) -> None:
    """Makes the tables that `new_lake` copies."""
    with lake(remote, f"{at.env['LAKE_URI']}/{EMPTY}").tables("bench/empty") as tables:
        ensure_lake(tables, contracts)


@contextmanager
def spark_server(at: Site, name: str) -> Iterator[SparkServer]:
    """A Spark server as the lake starts it, its log in the site's folder."""
    layout, jvm = default_layout(), find_jvm()
    own = Layout(layout.state, at.folder / name)
    options = aot_options(layout, jvm)
    with SparkServer(own, jvm, free_port(), env={**os.environ, **at.env}, extra=options, log=at.folder / f"{name}.log") as server:
        yield server


def peak_mib(pid: int | None) -> float:
    """The most memory that a process ever had, in MiB; 0 where the system does not tell (only Linux does)."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


class Peer:
    """A process of peers.py: packages loaded, asked by line."""

    def __init__(self, at: Site, name: str, fields: dict[str, dict[str, str]], packages: Path) -> None:
        folder = temporary_folder("bench-peer")
        env = {
            **os.environ, **at.env, "PYTHONPATH": str(packages), "BENCH_FIELDS": json.dumps(fields), "BENCH_FOLDER": str(folder),
        }  # fmt: skip
        self._log = (at.folder / f"{name.split()[0]}.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "benchmarks" / "lake" / "peers.py"), name],
            env=env, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip
        self._answer()

    def ask(self, **what: Any) -> dict[str, Any]:
        """Raises RuntimeError when it ended instead of answering."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:  # some of them print
            if line.startswith(b"{"):
                return dict(json.loads(line))
        raise RuntimeError(f"the peer ended; its log is {self._log.name}")

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)
        self._log.close()


def peers_installed() -> Path | None:
    """The peers in a folder of their own: what they pin must not meet what we do. None where they could not be fetched."""
    folder = ROOT / ".lake" / "peers-lake"
    if not folder.exists():
        partial = folder.with_name("peers-lake.partial")
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", str(partial)]
        if subprocess.run([*command, *PACKAGES], check=False).returncode:
            return None
        partial.rename(folder)
    return folder

"""The local Firehose between a real stream and a real bucket of the emulator."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from demo.cloud.ministack import Emulator
from demo.cloud.provision import provision
from demo.firehose.checkpoints import Checkpoints, CheckpointsInUse
from demo.firehose.delivery import Delivery, Undelivered
from demo.firehose.options import RECORD_LIMIT, BadOption, Options
from demo.firehose.service import Firehose
from demo.firehose.source import Source

ROOT = Path(__file__).parents[3]
NAME = re.compile(
    r"raw/(\d{4})/(\d{2})/(\d{2})/(\d{2})/(?P<stream>[a-z0-9-]+)-1-\1-\2-\3-\4-\d{2}-\d{2}-"
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.gz"
)


@dataclass
class Stand:
    """A stream and a landing bucket of one test."""

    cloud: Emulator
    environment: dict[str, str]
    folder: Path

    def __post_init__(self) -> None:
        self.kinesis, self.s3 = self.cloud.client("kinesis"), self.cloud.client("s3")
        self.stream = self.environment["LAKE_STREAM"]
        self.bucket = self.environment["LANDING_URI"].removeprefix("s3://")
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.give_up = threading.Event()

    def put(self, first: int, last: int, size: int = 40) -> None:
        """Lines `{"n":first}` to `{"n":last}`, spread over the stream's hash keys."""
        for start in range(first, last + 1, 200):
            numbers = range(start, min(start + 200, last + 1))
            records = [{"Data": line(number, size), "PartitionKey": str(number)} for number in numbers]
            assert self.kinesis.put_records(StreamName=self.stream, Records=records)["FailedRecordCount"] == 0

    def options(self, **changed: Any) -> Options:
        settings = {"stream": self.stream, "bucket": self.bucket, "checkpoints": self.folder, "poll_seconds": 0.02}
        return Options(**{**settings, **changed})

    def firehose(self, options: Options | None = None, s3: Any = None) -> tuple[Firehose, Source, Checkpoints]:
        options = options or self.options()
        checkpoints = Checkpoints(options.checkpoints, self.stream, "test")
        source = Source(self.kinesis, self.stream, checkpoints, options.poll_seconds, self.log)
        delivery = Delivery(s3 or self.s3, options.bucket, self.stream, self.give_up, self.log)
        return Firehose(source, delivery, checkpoints, options, self.log), source, checkpoints

    def drain(self, **changed: Any) -> Firehose:
        firehose, _, checkpoints = self.firehose(self.options(**changed))
        firehose.drain()
        checkpoints.close()
        return firehose

    def log(self, event: str, **fields: Any) -> None:
        self.logged.append((event, fields))

    def objects(self, prefix: str = "") -> list[str]:
        return [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])]

    def numbers(self, key: str) -> list[int]:
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return [json.loads(text)["n"] for text in gzip.decompress(body).splitlines()]

    def landed(self) -> Counter[int]:
        return Counter(number for key in self.objects("raw/") for number in self.numbers(key))

    def process(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "demo.firehose", "--checkpoints", str(self.folder), *arguments]
        environment = {**os.environ, **self.environment}
        return subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE)


def line(number: int, size: int = 40) -> bytes:
    return json.dumps({"n": number, "fill": "x" * size}).encode() + b"\n"


def wait_until(true: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def stand(cloud: Emulator, prefix: str, tmp_path: Path) -> Iterator[Stand]:
    made = Stand(cloud, provision(cloud.environment(), prefix=prefix), tmp_path / "checkpoints")
    yield made
    made.kinesis.delete_stream(StreamName=made.stream)


def test_every_record_lands_once_under_the_names_of_the_real_one(stand: Stand) -> None:
    stand.put(1, 1000)
    stand.drain()
    assert stand.landed() == Counter(range(1, 1001))
    for key in stand.objects():
        found = NAME.fullmatch(key)
        assert found
        assert found["stream"] == stand.stream


def test_records_of_a_shard_stay_in_order_and_their_bytes_are_joined_as_they_are(stand: Stand) -> None:
    stand.kinesis.put_records(
        StreamName=stand.stream,
        Records=[{"Data": data, "PartitionKey": "same"} for data in (b'{"a":1}\n{"b":2}\n', b'{"c":3}', b'{"d":4}\n')],
    )
    stand.drain()
    (key,) = stand.objects()
    body = gzip.decompress(stand.s3.get_object(Bucket=stand.bucket, Key=key)["Body"].read())
    assert body == b'{"a":1}\n{"b":2}\n{"c":3}{"d":4}\n'


def test_an_object_is_as_large_as_the_hint(stand: Stand) -> None:
    stand.put(1, 300, size=20_000)
    stand.drain(size_mib=1)
    sizes = [len(stand.numbers(key)) * len(line(1, 20_000)) for key in stand.objects()]
    # The hint is passed by a record at most; only the last object is smaller.
    assert sorted(size // len(line(1, 20_000)) for size in sizes)[1:] == [53] * 5
    assert stand.landed() == Counter(range(1, 301))


def test_an_object_is_no_older_than_the_hint(stand: Stand) -> None:
    firehose, _, checkpoints = stand.firehose(stand.options(interval_seconds=0.5))
    stop = threading.Event()
    thread = threading.Thread(target=firehose.run, args=(stop,))
    thread.start()
    try:
        for number in (1, 2):
            started = time.monotonic()
            stand.put(number, number)
            wait_until(lambda number=number: stand.landed()[number])
            assert 0.4 < time.monotonic() - started < 3
    finally:
        stop.set()
        thread.join()
        checkpoints.close()
    assert len(stand.objects()) == 2


@pytest.mark.parametrize("size_mib", [1, 128])
def test_each_nth_record_is_delivered_twice_in_another_object(stand: Stand, size_mib: float) -> None:
    stand.put(1, 400, size=5000)
    totals = stand.drain(duplicate_every=10, size_mib=size_mib).totals
    landed = stand.landed()
    assert set(landed) == set(range(1, 401))
    assert sorted(landed.values()) == [1] * 360 + [2] * 40
    assert (totals.records, totals.repeated) == (440, 40)
    for key in stand.objects():
        assert max(Counter(stand.numbers(key)).values()) == 1


def test_a_restart_goes_on_where_the_last_delivery_ended(stand: Stand) -> None:
    stand.put(1, 200)
    stand.drain()
    stand.put(201, 300)
    stand.drain()
    assert stand.landed() == Counter(range(1, 301))


def test_a_killed_process_loses_nothing(stand: Stand) -> None:
    stand.put(1, 3000, size=4000)
    process = stand.process("--size-mib", "1", "--interval-seconds", "60")
    wait_until(stand.objects)
    process.kill()
    process.communicate()
    assert set(stand.landed()) < set(range(1, 3001)), "it was killed too late to prove anything"
    stand.drain()
    assert set(stand.landed()) == set(range(1, 3001))


def test_sigterm_delivers_what_is_held_and_ends_with_zero(stand: Stand) -> None:
    stand.put(1, 50)
    process = stand.process("--interval-seconds", "900", "--duplicate-every", "50")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "started"
    time.sleep(1.5)
    assert stand.objects() == []
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert stand.landed().total() == 51
    stopped = json.loads(output.splitlines()[-1])
    assert (stopped["event"], stopped["records"], stopped["repeated"]) == ("stopped", 51, 1)
    assert '"n"' not in output


def test_it_tries_until_the_bucket_is_there(stand: Stand) -> None:
    stand.put(1, 20)
    later = stand.options(bucket=f"{stand.bucket}-later")
    firehose, _, checkpoints = stand.firehose(later)
    thread = threading.Thread(target=firehose.drain)
    thread.start()
    wait_until(lambda: [event for event, _ in stand.logged].count("delivery_failed") >= 3)
    assert checkpoints.of("shardId-000000000000") is None
    region = {"LocationConstraint": stand.environment["AWS_DEFAULT_REGION"]}
    stand.s3.create_bucket(Bucket=later.bucket, CreateBucketConfiguration=region)
    thread.join(30)
    checkpoints.close()
    stand.bucket = later.bucket
    assert stand.landed() == Counter(range(1, 21))


def test_when_it_must_stop_without_the_bucket_the_records_stay_in_the_stream(stand: Stand) -> None:
    stand.put(1, 20)
    stand.give_up.set()
    firehose, _, checkpoints = stand.firehose(stand.options(bucket=f"{stand.bucket}-never"))
    with pytest.raises(Undelivered):
        firehose.drain()
    checkpoints.close()
    stand.give_up.clear()
    stand.drain()
    assert stand.landed() == Counter(range(1, 21))


class DeafClient:
    """The real client of the bucket, whose first answer is lost."""

    def __init__(self, s3: Any) -> None:
        self._s3, self.puts = s3, 0

    def put_object(self, **arguments: Any) -> Any:
        self.puts += 1
        answer = self._s3.put_object(**arguments)
        if self.puts == 1:
            raise EndpointConnectionError(endpoint_url="lost")
        return answer

    def head_object(self, **arguments: Any) -> Any:
        return self._s3.head_object(**arguments)


def test_a_put_that_succeeded_unheard_is_not_repeated(stand: Stand) -> None:
    stand.put(1, 20)
    deaf = DeafClient(stand.s3)
    firehose, _, checkpoints = stand.firehose(s3=deaf)
    firehose.drain()
    checkpoints.close()
    assert deaf.puts == 2
    assert len(stand.objects()) == 1


def test_split_and_merged_shards_are_read(stand: Stand) -> None:
    stand.put(1, 100)
    firehose, source, checkpoints = stand.firehose()
    firehose.drain()
    stand.kinesis.split_shard(StreamName=stand.stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 125))
    stand.kinesis.merge_shards(
        StreamName=stand.stream, ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000002"
    )
    stand.put(101, 300)
    # Finding the old shards gone makes it list them again.
    firehose.drain()
    firehose.drain()
    checkpoints.close()
    assert stand.landed() == Counter(range(1, 301))
    assert sorted(source._shards) == [f"shardId-{number:012d}" for number in (3, 4, 5, 6)]


def test_an_expired_iterator_is_replaced_at_the_same_place(stand: Stand) -> None:
    stand.put(1, 100)
    firehose, source, checkpoints = stand.firehose()
    firehose.drain()
    for shard in source._shards.values():
        shard.iterator = "expired"
    stand.put(101, 200)
    firehose.drain()
    firehose.drain()
    checkpoints.close()
    assert stand.landed() == Counter(range(1, 201))


def test_a_record_over_the_limit_goes_below_the_error_prefix(stand: Stand) -> None:
    large = b"y" * (RECORD_LIMIT + 1)
    stand.put(1, 3)
    stand.kinesis.put_record(StreamName=stand.stream, PartitionKey="large", Data=large)
    assert stand.drain().totals.failed_records == 1
    assert stand.landed() == Counter(range(1, 4))
    (key,) = stand.objects("errors/processing-failed/20")
    failed = json.loads(gzip.decompress(stand.s3.get_object(Bucket=stand.bucket, Key=key)["Body"].read()))
    assert failed["errorCode"] == "Record.TooLarge"
    assert base64.b64decode(failed["rawData"]) == large
    stand.drain()
    assert len(stand.objects("errors/")) == 1


def test_a_stream_of_the_same_name_is_read_from_its_beginning(tmp_path: Path) -> None:
    first = Checkpoints(tmp_path, "events", "stream@1")
    first.advance({"shardId-000000000000": "17"})
    first.close()
    again = Checkpoints(tmp_path, "events", "stream@1")
    assert again.of("shardId-000000000000") == "17"
    again.close()
    other = Checkpoints(tmp_path, "events", "stream@2")
    assert other.of("shardId-000000000000") is None
    other.close()


def test_two_never_work_with_the_same_checkpoints(tmp_path: Path) -> None:
    first = Checkpoints(tmp_path, "events", "stream@1")
    with pytest.raises(CheckpointsInUse, match="--checkpoints"):
        Checkpoints(tmp_path, "events", "stream@1")
    first.close()


@pytest.mark.parametrize("wrong", [{"size_mib": 0.5}, {"size_mib": 129}, {"interval_seconds": 901}, {"duplicate_every": -1}])
def test_hints_outside_the_real_limits_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadOption):
        Options(stream="events", bucket="landing", checkpoints=tmp_path, **wrong)

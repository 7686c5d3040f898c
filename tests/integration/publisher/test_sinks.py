"""One behaviour for every sink: the one in memory that ships, and Kinesis as the emulator serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3
import pytest

from demo.cloud.ministack import Emulator
from publisher.errors import SettingsError, TransientError
from publisher.sinks import KinesisSink, MemorySink, Record, Sink
from publisher.sinks.kinesis import kinesis_client
from publisher.wire import explicit_hash_key

SHARDS = 4


class Stream:
    """A Kinesis stream of its own, with a look at what it holds."""

    def __init__(self, cloud: Emulator, name: str) -> None:
        self.client, self.name = cloud.client("kinesis"), name
        self.client.create_stream(StreamName=name, ShardCount=SHARDS)
        self.client.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})

    def read(self) -> list[tuple[str, bytes]]:
        """Shard and data of every record, in order within a shard."""
        found: list[tuple[str, bytes]] = []
        for shard in self.client.list_shards(StreamName=self.name)["Shards"]:
            place = self.client.get_shard_iterator(
                StreamName=self.name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while True:
                answer = self.client.get_records(ShardIterator=place, Limit=10_000)
                found += [(shard["ShardId"], record["Data"]) for record in answer["Records"]]
                if not answer["Records"]:
                    break
                place = answer["NextShardIterator"]
        return found


@pytest.fixture
def stream(cloud: Emulator, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    made = Stream(cloud, f"{prefix}-stream")
    yield made
    made.client.delete_stream(StreamName=made.name)


@pytest.fixture(params=["memory", "kinesis"])
def sink_and_read(request: pytest.FixtureRequest) -> tuple[Sink, Callable[[], list[bytes]]]:
    if request.param == "memory":
        memory = MemorySink()
        return memory, lambda: [record.data for record in memory.records]
    stream: Stream = request.getfixturevalue("stream")
    return KinesisSink(kinesis_client("eu-west-2"), stream.name), lambda: [data for _, data in stream.read()]


def test_every_record_arrives_unchanged(sink_and_read: tuple[Sink, Callable[[], list[bytes]]]) -> None:
    sink, read = sink_and_read
    records = [Record(partition, f'{{"n":{partition}}}\n'.encode()) for partition in range(256)]
    assert sink.put(records) == []
    assert sorted(read()) == sorted(record.data for record in records)


def test_records_of_a_partition_keep_their_order(sink_and_read: tuple[Sink, Callable[[], list[bytes]]]) -> None:
    sink, read = sink_and_read
    for number in range(20):
        assert sink.put([Record(7, b"%d\n" % number)]) == []
    assert read() == [b"%d\n" % number for number in range(20)]


def test_more_than_a_request_holds_is_put_in_several(sink_and_read: tuple[Sink, Callable[[], list[bytes]]]) -> None:
    sink, read = sink_and_read
    records = [Record(number % 256, b"%d\n" % number) for number in range(1200)]
    large = [Record(number, bytes([65 + number]) * 900 * 1024 + b"\n") for number in range(14)]  # 12.3 MiB
    assert sink.put([*records, *large]) == []
    assert len(read()) == 1214
    assert sum(len(data) for data in read()) == sum(len(r.data) for r in [*records, *large])


def test_nothing_is_put_for_nothing(sink_and_read: tuple[Sink, Callable[[], list[bytes]]]) -> None:
    sink, read = sink_and_read
    assert sink.put([]) == []
    assert read() == []


def test_the_hash_key_spreads_partitions_evenly_over_shards(stream: Stream) -> None:
    sink = KinesisSink(kinesis_client("eu-west-2"), stream.name)
    sink.put([Record(partition, b"x\n") for partition in range(256)])
    counts: dict[str, int] = {}
    for shard, _ in stream.read():
        counts[shard] = counts.get(shard, 0) + 1
    assert set(counts.values()) == {256 // SHARDS}
    assert explicit_hash_key(255) == str(255 << 120)


def test_a_stream_that_is_not_there_fails_each_record_and_is_said_at_the_start(stream: Stream) -> None:
    sink = KinesisSink(kinesis_client("eu-west-2"), "no-such-stream")
    records = [Record(1, b"x\n"), Record(2, b"y\n")]
    failures = sink.put(records)
    assert [(failure.record, failure.reason) for failure in failures] == [
        (record, "ResourceNotFoundException") for record in records
    ]
    with pytest.raises(SettingsError, match="LAKE_STREAM"):
        sink.check()


def test_a_cloud_that_does_not_answer_fails_each_record(cloud: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    from resources.ports import free_port

    for name, value in {**cloud.environment(), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}.items():
        monkeypatch.setenv(name, value)
    sink = KinesisSink(kinesis_client("eu-west-2"), "any")
    assert [f.reason for f in sink.put([Record(1, b"x\n")])] == ["EndpointConnectionError"]
    with pytest.raises(TransientError, match="AWS_ENDPOINT_URL"):
        sink.check()


class Answers:
    """A client that answers as Kinesis documents it where the emulator cannot be brought to: partial failures, short answers."""

    def __init__(self, codes: Sequence[str | None]) -> None:
        self.codes = codes

    def put_records(self, **_: Any) -> dict[str, Any]:
        return {"Records": [{"ErrorCode": code} if code else {"SequenceNumber": "1"} for code in self.codes]}


@pytest.mark.parametrize(
    ("codes", "failed"),
    [
        ([None, "ProvisionedThroughputExceededException", None], [1]),
        (["InternalFailure", None, "InternalFailure"], [0, 2]),
        ([None, None], [2]),
    ],
)
def test_only_the_records_that_failed_are_returned(codes: list[str | None], failed: list[int]) -> None:
    client: Any = Answers(codes)
    records = [Record(number, b"%d\n" % number) for number in range(3)]
    assert [f.record for f in KinesisSink(client, "s").put(records)] == [records[index] for index in failed]


def test_boto_does_not_repeat_whole_requests(stream: Stream) -> None:
    assert kinesis_client("eu-west-2").meta.config.retries["total_max_attempts"] == 1
    assert boto3.__version__

"""What the stream itself allows and refuses: its limits, a wrong clock, credentials that run out, one key that is written all the time."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.cloud.ministack import Emulator
from publisher.errors import SettingsError, TransientError
from publisher.keys import LocalKeyring
from publisher.relay import ReleaseSet, Summary
from publisher.relay.pack import RECORD_LIMIT
from publisher.sinks import Failure, KinesisSink, MemorySink, Record
from publisher.sinks.kinesis import kinesis_client
from tests.integration.publisher.edge import Edge, edge_before
from tests.integration.publisher.platform import Platform
from tests.integration.publisher.relays import by_key, events, running, wait_for
from tests.integration.publisher.test_sinks import SHARDS, Stream, stream

__all__ = ["stream"]
CLIENT = partial(kinesis_client, "eu-west-2")


@pytest.fixture
def edge(cloud: Emulator, stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    """The stream behind an edge; the credentials stand in a file, as a role's do on many machines."""
    with edge_before(cloud.environment()["AWS_ENDPOINT_URL"]) as edge:
        monkeypatch.setenv("AWS_ENDPOINT_URL", edge.url)
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        credentials(tmp_path, "test")
        yield edge


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    # A command that ran in this process before has taken the publisher's log for itself.
    monkeypatch.setattr(logging.getLogger("publisher"), "propagate", True)
    return caplog


def credentials(folder: Path, key: str) -> None:
    (folder / "credentials").write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")


def refusals(log: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [r.__dict__["fields"] for r in log.records if r.getMessage() == "the stream refuses records"]


def test_shards_and_record_limit_are_the_streams_own(stream: Stream) -> None:
    limits = KinesisSink(CLIENT(), stream.name).check(RECORD_LIMIT)
    assert (limits.shards, limits.record_kib) == (SHARDS, 1024)


class Says:
    """A client of a stream whose record limit was changed; the emulator's cannot be."""

    def __init__(self, record_kib: int) -> None:
        self.summary = {"OpenShardCount": 1, "MaxRecordSizeInKiB": record_kib}

    def describe_stream_summary(self, **_: Any) -> dict[str, Any]:
        return {"StreamDescriptionSummary": self.summary}


def test_a_stream_that_takes_less_than_is_packed_is_refused_at_the_start() -> None:
    narrow: Any = Says(512)
    with pytest.raises(SettingsError, match="takes records of 512 KiB, and the publisher packs up to 900 KiB"):
        KinesisSink(narrow, "events").check(RECORD_LIMIT)
    wide: Any = Says(10_240)
    assert KinesisSink(wide, "events").check(RECORD_LIMIT).record_kib == 10_240


def test_credentials_that_run_out_are_read_anew_and_said_once(
    edge: Edge, stream: Stream, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    sink = KinesisSink(CLIENT(), stream.name, CLIENT)
    assert sink.put([Record(1, b"1\n")]) == []
    edge.accepted = {"fresh"}
    for _ in range(3):
        assert [f.reason for f in sink.put([Record(1, b"2\n")])] == ["ExpiredTokenException"]
    credentials(tmp_path, "fresh")
    assert len(sink.put([Record(1, b"2\n")])) == 1, "the client that holds the old ones finds out"
    assert sink.put([Record(1, b"2\n")]) == []
    assert [data for _, data in stream.read()] == [b"1\n", b"2\n"]
    (said,) = refusals(log)
    assert said["reason"] == "ExpiredTokenException"
    assert "read anew" in said["remedy"]


def test_a_wrong_clock_is_waited_for_and_said_with_its_remedy(edge: Edge, stream: Stream, log: pytest.LogCaptureFixture) -> None:
    sink = KinesisSink(CLIENT(), stream.name, CLIENT)
    edge.clock_off = timedelta(minutes=20)
    with pytest.raises(TransientError, match="set this machine's clock"):
        sink.check()
    for _ in range(2):
        assert [f.reason for f in sink.put([Record(1, b"1\n")])] == ["InvalidSignatureException"]
    edge.clock_off = timedelta()
    assert sink.put([Record(1, b"1\n")]) == []
    edge.clock_off = timedelta(minutes=20)
    sink.put([Record(1, b"2\n")])
    assert ["clock" in said["remedy"] for said in refusals(log)] == [True, True], "once for each time that it began"


def test_a_relay_goes_on_by_itself_when_credentials_are_fresh_again(
    edge: Edge, stream: Stream, tmp_path: Path, captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring
) -> None:
    edge.accepted = {"fresh"}
    stop = threading.Event()
    with running(captured, releases, keyring, KinesisSink(CLIENT(), stream.name, CLIENT), stop):
        platform.creditor()
        wait_for(lambda: len(edge.refused) >= 2)
        credentials(tmp_path, "fresh")
        wait_for(lambda: platform.outbox() == [])
        stop.set()
    assert len([data for _, data in stream.read() if b'"creditors"' in data]) == 1


class FullShard:
    """A stream one partition of which takes nothing, as a shard that one key fills."""

    def __init__(self, sink: MemorySink) -> None:
        self.sink, self.full = sink, -1

    def put(self, records: Sequence[Record]) -> list[Failure]:
        refused = [Failure(r, "ProvisionedThroughputExceededException") for r in records if r.partition == self.full]
        return refused + self.sink.put([r for r in records if r.partition != self.full])


def test_one_key_that_is_written_all_the_time_holds_no_other_back(
    captured: str,
    platform: Platform,
    releases: ReleaseSet,
    keyring: LocalKeyring,
    sink: MemorySink,
    run_relay: Callable[..., Summary],
) -> None:
    """10,000 updates of one row wait, and its partition takes none of them: the others arrive at once, and the row's in order later."""
    hot = platform.creditor()
    run_relay(sink)
    full, stop = FullShard(sink), threading.Event()
    full.full = sink.records[0].partition
    sink.records.clear()
    platform.sql(
        f"DO $$ BEGIN FOR n IN 1..10000 LOOP UPDATE creditors SET sector = CASE n % 2 WHEN 0 THEN 'bank' ELSE 'card' END"
        f" WHERE id = {hot}; END LOOP; END $$"
    )
    others = [platform.customer() for _ in range(100)]
    with running(captured, releases, keyring, full, stop):
        started = time.monotonic()
        wait_for(lambda: len({e["key"] for e in events(sink) if e["entity"] == "customers"}) >= len(others) - 3)
        took = time.monotonic() - started
        assert "creditors" not in {e["entity"] for e in events(sink)}
        full.full = -1
        wait_for(lambda: platform.outbox() == [], 60)
        stop.set()
    (seqs,) = [seqs for (entity, _), seqs in by_key(events(sink)).items() if entity == "creditors"]
    assert len(seqs) == 10_000
    assert seqs == sorted(seqs)
    assert took < 15
    assert max(len(record.data) for record in sink.records) <= RECORD_LIMIT
    assert json.loads(sink.lines[0])

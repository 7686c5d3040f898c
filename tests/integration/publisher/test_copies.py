"""Real copies of a real cluster: what a relay does on a base backup, a copy of the disk, a promoted standby."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from demo.cloud.ministack import Emulator
from demo.cloud.postgres import Postgres
from demo.platform.migrations import migrate
from publisher import backfill, epoch
from publisher.capture import install
from publisher.contracts import Contract
from publisher.database import connect, translate
from publisher.digest import send_digest
from publisher.epoch import identity, raise_epoch
from publisher.errors import InstallError
from publisher.keys import LocalKeyring
from publisher.outbox import try_lock
from publisher.relay import Relay, ReleaseSet, Summary, Until
from publisher.relay.mark import Mark, forget
from publisher.resync import resync
from publisher.sinks import MemorySink
from publisher.sinks.kinesis import kinesis_client
from tests.integration.publisher.clusters import Clusters
from tests.integration.publisher.platform import Platform
from tests.integration.publisher.relays import events
from tests.integration.publisher.test_digest import differing

NAME = "platform_copied"


@pytest.fixture
def mark(cloud: Emulator, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Mark:
    """On a stream of the emulator."""
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    client = kinesis_client("eu-west-2")
    client.create_stream(StreamName=f"{prefix}-stream", ShardCount=1)
    client.get_waiter("stream_exists").wait(StreamName=f"{prefix}-stream", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return Mark(lambda: client, f"{prefix}-stream")


@dataclass
class Site:
    """A cluster with a platform, and its relay."""

    server: Postgres
    releases: ReleaseSet
    mark: Mark | None
    stream: MemorySink = field(default_factory=MemorySink)
    """What is on the stream, from this cluster and those that it was copied from or to."""

    def write(self, code: str) -> None:
        with psycopg.connect(self.server.url(NAME), autocommit=True) as connection:
            Platform(connection).creditor(code=code)

    def relay(self) -> list[dict[str, Any]]:
        """What one pass puts on the stream."""
        sink = MemorySink()
        with connect(self.server.url(NAME), "relay") as connection:
            assert try_lock(connection)
            self.summary: Summary = Relay(connection, self.releases, sink, mark=self.mark).run(Until.SENT)
        self.stream.put(sink.records)
        return events(sink)

    def digest(self) -> None:
        """As the runbook says after a restore: all that is due is sent anew, then the platform tells what it says."""
        with connect(self.server.url(NAME), "backfill") as connection:
            for entity in backfill.due(connection):
                backfill.backfill(connection, self.releases.contracts, entity)
            self.relay()
            send_digest(connection, self.releases, "creditors")
        self.relay()

    def new_epoch(self) -> None:
        """As `publisher install --new-epoch` does."""
        with connect(self.server.url(NAME), "install") as connection:
            raise_epoch(connection, "a test")
            forget(connection)

    def identity(self) -> epoch.Identity:
        with connect(self.server.url(NAME), "test") as connection:
            return identity(connection)

    def at(self, server: Postgres) -> Site:
        return Site(server, self.releases, self.mark, self.stream)


@pytest.fixture
def original(clusters: Clusters, releases: ReleaseSet, contracts: dict[str, Contract], mark: Mark, keyring: LocalKeyring) -> Site:
    server = clusters.first()
    url = server.create_database(NAME)
    migrate(url)
    with connect(url, "install") as connection:
        install(connection, contracts)
    site = Site(server, releases, mark)
    site.write("C001")
    assert len(site.relay()) == 1
    site.write("C002")
    return site


def seqs(found: list[dict[str, Any]]) -> set[int]:
    return {event["seq"] for event in found}


def test_nothing_in_a_base_backup_tells_that_it_is_one_and_without_a_mark_both_would_publish(
    clusters: Clusters, original: Site
) -> None:
    """Why there is a mark outside."""
    copy = original.at(clusters.base_backup(original.server))
    assert copy.identity() == original.identity()
    copy.mark = original.mark = None
    original.write("C003")
    copy.write("C004")
    assert seqs(original.relay()) == seqs(copy.relay()), "two contents of one position"


def test_a_base_backup_does_not_publish_once_the_original_has_gone_on(clusters: Clusters, original: Site) -> None:
    copy = original.at(clusters.base_backup(original.server))
    original.relay()
    copy.write("C004")
    with pytest.raises(InstallError, match="another database has published to this stream since"):
        copy.relay()
    original.write("C005")
    assert len(original.relay()) == 1


def test_of_two_that_publish_one_stops_at_its_next_beat(
    clusters: Clusters, original: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy came first: until its next beat the original cannot know."""
    copy = original.at(clusters.base_backup(original.server))
    assert len(copy.relay()) == 1
    with pytest.raises(InstallError, match="this one is a copy of it, or was restored"):
        original.relay()


def test_a_disk_snapshot_that_is_put_back_asks_for_a_new_epoch_and_goes_on_with_it(clusters: Clusters, original: Site) -> None:
    snapshot = original.at(clusters.disk_copy(original.server))
    original = original.at(clusters.again(original.server))
    assert snapshot.identity() == original.identity()
    sent = original.relay()
    original.write("C003")
    sent += original.relay()
    original.server.stop()  # the disk is lost, the snapshot takes its place
    with pytest.raises(InstallError, match="publisher install --new-epoch"):
        snapshot.relay()
    snapshot.new_epoch()
    again = snapshot.relay()
    assert len(again) == 1
    assert not seqs(again) & seqs(sent)
    assert snapshot.summary.epoch == 2
    snapshot.digest()
    lost = differing(snapshot.stream, "creditors")
    assert len(lost) == 1, "the row that the restore took back is the one difference, and a digest names its part"
    codes = [event["key"] for event in events(snapshot.stream) if event["entity"] == "creditors"]
    with connect(snapshot.server.url(NAME), "resync") as connection:
        contracts, release = snapshot.releases.contracts, snapshot.releases.release
        assert resync(connection, contracts, release, "creditors", lost, threading.Event(), codes).gone == 1
    snapshot.relay()
    snapshot.digest()
    assert differing(snapshot.stream, "creditors") == set()


def test_the_old_primary_stops_when_the_restored_one_publishes(clusters: Clusters, original: Site) -> None:
    restored = original.at(clusters.base_backup(original.server))
    original.relay()
    restored.new_epoch()
    restored.relay()
    with pytest.raises(InstallError):
        original.relay()


def test_a_promoted_standby_raises_the_epoch_and_the_old_primary_stops(clusters: Clusters, original: Site) -> None:
    standby = original.at(clusters.base_backup(original.server, standby=True))
    before = original.relay()
    original.write("C003")
    with psycopg.connect(standby.server.url(NAME), autocommit=True) as connection:
        while connection.execute("SELECT count(*) FROM publisher.outbox").fetchone() != (1,):
            pass
    clusters.promote(standby.server)
    assert standby.identity().timeline == original.identity().timeline + 1
    after = standby.relay()
    assert standby.summary.epoch == 2
    assert len(after) == 1
    assert not seqs(after) & seqs(before)
    standby.digest()
    assert differing(standby.stream, "creditors") == set(), "nothing was lost, and nothing is too much"
    with pytest.raises(InstallError):
        original.relay()


def test_a_relay_on_a_standby_says_what_it_needs(clusters: Clusters, original: Site) -> None:
    standby = original.at(clusters.base_backup(original.server, standby=True))
    with pytest.raises(psycopg.Error) as raised:
        standby.relay()
    assert "the database is a standby" in str(translate(raised.value, "relay"))


def test_a_relay_without_the_right_to_the_mark_works_and_says_once_what_it_lacks(
    original: Site, mark: Mark, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator knows no rights, so its client answers as AWS documents it."""

    def refused(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListTagsForStream")

    monkeypatch.setattr(logging.getLogger("publisher"), "propagate", True)
    monkeypatch.setattr(mark._client(), "list_tags_for_stream", refused)
    assert len(original.relay()) == 1
    said = [record for record in caplog.records if "mark" in record.getMessage()]
    assert len(said) == 1
    assert "kinesis:AddTagsToStream" in said[0].__dict__["fields"]["remedy"]


def test_a_stream_that_does_not_take_the_mark_for_long_stops_nobody(
    original: Site, mark: Mark, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="nowhere")

    with connect(original.server.url(NAME), "test") as connection:
        before = connection.execute("SELECT count(*) FROM publisher.marks").fetchone()
        with monkeypatch.context() as broken:
            broken.setattr(mark._client(), "add_tags_to_stream", unreachable)
            for _ in range(50):
                mark.beat(connection)
        assert before == (1,)
        assert connection.execute("SELECT count(*) FROM publisher.marks").fetchone() == (2,)
        for _ in range(5):
            mark.beat(connection)
        assert connection.execute("SELECT count(*) FROM publisher.marks").fetchone() == (2,)
    assert len(original.relay()) == 1

"""A manifest says so while rows of its entity have still to be sent: otherwise the lake would take what it has for everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from publisher import manifest
from publisher.backfill import backfill
from publisher.capture import install
from publisher.contracts import Contract
from publisher.database import Connection, connect
from publisher.epoch import raise_epoch
from publisher.relay import Summary, Until
from publisher.sinks import MemorySink
from tests.integration.publisher.platform import Platform
from tests.integration.publisher.relays import many
from tests.integration.publisher.test_manifest import manifests

Run = Callable[..., Summary]


@pytest.fixture
def captured(new_database: Callable[..., str], platform_template: str, contracts: dict[str, Contract]) -> str:
    """The publisher is installed on a platform that has rows already, of creditors only."""
    url = new_database(platform_template)
    with connect(url, "test") as connection:
        many(Platform(connection), 20, 0)
        install(connection, contracts)
    return url


@pytest.fixture
def session(captured: str) -> Iterator[Connection]:
    with connect(captured, "test") as connection:
        yield connection


@pytest.fixture
def said(run_relay: Run, sink: MemorySink) -> Callable[[], list[bool]]:
    """Sends all that waits, accounts for it, and says what the new manifests of creditors say of each range, the oldest first."""
    seen = 0

    def send() -> list[bool]:
        nonlocal seen
        run_relay(sink, Until.ACCOUNTED)
        mine = [each for each in manifests(sink) if each["of"] == "creditors"]
        new, seen = mine[seen:], len(mine)
        return [each["backfill_due"] for each in sorted(new, key=lambda each: each["seq_to"])]

    return send


def test_of_a_filled_table_it_says_so_until_the_backfill_has_ended_and_of_no_other(
    session: Connection, contracts: dict[str, Contract], sink: MemorySink, said: Callable[[], list[bool]]
) -> None:
    assert [said(), said()] == [[True], [True]]
    backfill(session, contracts, "creditors")
    assert said() == [True], "the range that holds its rows: it began before they were sent"
    assert [said(), said()] == [[False], [False]]
    assert {each["of"] for each in manifests(sink) if each["backfill_due"]} == {"creditors"}


def test_a_range_that_ended_before_the_backfill_did_says_so_though_it_is_sent_afterwards(
    session: Connection, contracts: dict[str, Contract], said: Callable[[], list[bool]]
) -> None:
    assert said() == [True]
    manifest.cut(session)
    backfill(session, contracts, "creditors")
    assert said() == [True, True]
    assert said() == [False]


def test_a_new_epoch_says_so_of_every_entity(
    session: Connection, contracts: dict[str, Contract], sink: MemorySink, said: Callable[[], list[bool]]
) -> None:
    backfill(session, contracts, "creditors")
    said()
    assert said() == [False]
    raise_epoch(session, "tried")
    sink.records.clear()
    said()
    assert {(each["of"], each["backfill_due"]) for each in manifests(sink)} == {(entity, True) for entity in contracts}

"""The gate on the population beside what else goes on: a backfill, a raised epoch, a contract that asks for more people or fewer fields."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from publisher import backfill as backfilling
from publisher.backfill import Progress, backfill
from publisher.contracts import Contract, load_contracts
from publisher.database import connect
from publisher.epoch import raise_epoch
from publisher.keys import LocalKeyring
from publisher.relay import Relay, ReleaseSet, Summary, Until, load_release_set
from publisher.risk.assess import Assessment, assess
from publisher.sinks import MemorySink
from publisher.wire import EPOCH_BITS
from tests.integration.publisher.conftest import CONTRACTS
from tests.integration.publisher.groups import classes, current, events, people
from tests.integration.publisher.platform import Platform, secret
from tests.integration.publisher.relays import DeliversThenDies, Killed, running, wait_for

Run = Callable[..., Summary]
Look = Callable[..., Assessment]
LONDON = (True, False, False, "1980-1989", "SW", "2026-03-01")
MANCHESTER = (True, False, False, "1980-1989", "M", "2026-03-01")


def test_who_becomes_rare_during_a_backfill_is_coarse_whichever_comes_last(
    captured: str, platform: Platform, contracts: dict[str, Contract], releases: ReleaseSet, keyring: LocalKeyring, look: Look
) -> None:
    """A relay at work, a backfill in chunks of five, and between two of them three of the twelve who shared a combination leave."""
    people(platform, 30)
    people(platform, 15, postcode=secret("N1 1AA"))
    few = people(platform, 12, postcode=secret("M1 1AE"))
    look()
    sink, stop = MemorySink(), threading.Event()
    chunks: list[int] = []

    def between(progress: Progress) -> None:
        chunks.append(progress.rows)
        if len(chunks) == 4:
            wait_for(lambda: platform.sql("SELECT count(*) FROM publisher.outbox") == [(0,)])
            assert classes(sink)[MANCHESTER] == 12
            platform.sql("DELETE FROM customers WHERE id = ANY (%s)", few[:3])
            look()

    with running(captured, releases, keyring, sink, stop), connect(captured, "backfill") as connection:
        done = backfill(connection, contracts, "customers", chunk_rows=5, report=between)
        wait_for(lambda: platform.sql("SELECT count(*) FROM publisher.outbox") == [(0,)])
    assert done.rows == 30 + 15 + 9
    assert len(current(sink)) == 30 + 15 + 9
    assert classes(sink) == {LONDON: 30}, "nine are too few, and those who fall silent with them are the next fewest"
    snapshots = [event["record"]["postcode_area"] for event in events(sink) if event["op"] == "snapshot"]
    assert snapshots.count("SW") >= 30, "the backfill sent those who are many as they are"


def test_a_look_that_was_stopped_half_way_is_finished_in_the_next_epoch(
    captured: str,
    platform: Platform,
    sink: MemorySink,
    run_relay: Run,
    releases: ReleaseSet,
    look: Look,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Records were put and not acknowledged, four of twelve rows were sent again, and then the database is restored."""
    people(platform, 12)
    dying = DeliversThenDies()
    with connect(captured, "relay") as connection, pytest.raises(Killed):
        Relay(connection, releases, dying).run(Until.SENT)
    monkeypatch.setattr(backfilling, "CHUNK_ROWS", 4)
    stop = threading.Event()
    look(stop=stop, report=lambda _: stop.set())
    assert [row.op for row in platform.outbox("customers")] == ["insert"] * 12 + ["snapshot"] * 4
    with connect(captured, "test") as connection:
        epoch = raise_epoch(connection, "a test")
    look()
    run_relay(sink)
    assert classes(sink) == {LONDON: 12}
    assert {event["seq"] >> EPOCH_BITS for event in events(sink)} == {epoch}
    assert platform.sql("SELECT count(*) FROM publisher.coarsenings WHERE resent_at IS NULL") == [(0,)]


def _under(folder: Path, old: str, new: str) -> tuple[Path, dict[str, Contract]]:
    """The contracts with one text in another's place."""
    for file in CONTRACTS.glob("*.yaml"):
        if file.name != "approvals.yaml":
            text = file.read_text()
            (folder / file.name).write_text(text.replace(old, new) if file.name == "customers.yaml" else text)
    assert (folder / "customers.yaml").read_text() != (CONTRACTS / "customers.yaml").read_text()
    return folder, load_contracts(folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("value: 10\n", "value: 13\n", {(True, False, False, "1960-1999", None, None): 24}, id="larger k"),
        pytest.param("created_at, month", "created_at, day", {LONDON: 12, MANCHESTER: 12}, id="another derivation"),
    ],
)  # fmt: skip
def test_a_contract_that_asks_for_more_starts_from_silence(
    captured: str, platform: Platform, sink: MemorySink, run_relay: Run, keyring: LocalKeyring, look: Look, tmp_path: Path,
    old: str, new: str, said: dict[Any, int],
) -> None:  # fmt: skip
    people(platform, 12)
    people(platform, 12, postcode=secret("M1 1AE"))
    look()
    run_relay(sink)
    assert classes(sink) == {LONDON: 12, MANCHESTER: 12}
    folder, stricter = _under(tmp_path, old, new)
    releases = load_release_set(folder, keyring)

    def relay() -> None:
        with connect(captured, "relay") as connection:
            Relay(connection, releases, sink).run(Until.SENT)

    platform.sql("UPDATE customers SET status = 'closed'")
    relay()
    assert classes(sink) == {}, "nobody has looked for so many people, or at these fields"
    with connect(captured, "risk") as connection:
        assess(connection, stricter, releases.release, "customers")
    relay()
    assert classes(sink) == said

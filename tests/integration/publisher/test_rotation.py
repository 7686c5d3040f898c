"""From one pseudonym key to the next, against PostgreSQL: one epoch a key, every row anew, and no code of two keys."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from publisher import backfill, epoch, rotation
from publisher.contracts import Contract, load_contracts
from publisher.database import connect
from publisher.errors import ContractError, SettingsError, TransientError
from publisher.keys import LocalKeyring
from publisher.outbox import try_lock
from publisher.relay import Relay, ReleaseSet, Until, load_release_set
from publisher.sinks import MemorySink
from tests.integration.publisher.conftest import CONTRACTS
from tests.integration.publisher.platform import DATA_KEY, PSEUDONYM_KEY, Platform, secret
from tests.integration.publisher.relays import DeliversThenDies, Killed

KEYS = {1: PSEUDONYM_KEY, 2: bytes(range(64, 96))}


def with_key(folder: Path, version: int, *only: str) -> Path:
    """The shipped contracts under another key, as an operator would write them."""
    for file in CONTRACTS.glob("*.yaml"):
        text = file.read_text()
        if file.name not in ("approvals.yaml",) and (not only or file.stem in only):
            text = text.replace(
                "    customProperties:\n      - property: subject",
                f"    customProperties:\n      - {{property: pseudonymKey, value: {version}}}\n      - property: subject",
                1,
            )
        (folder / file.name).write_text(text)
    (folder / "approvals.yaml").unlink()
    return folder


@pytest.fixture
def second(tmp_path: Path) -> dict[str, Contract]:
    return load_contracts(with_key(tmp_path, 2))


@pytest.fixture
def under_second(second: dict[str, Contract], tmp_path: Path) -> ReleaseSet:
    return load_release_set(tmp_path, LocalKeyring(DATA_KEY, KEYS))


def relay(captured: str, releases: ReleaseSet, sink: MemorySink, until: Until = Until.ACCOUNTED) -> None:
    with connect(captured, "relay") as connection:
        assert try_lock(connection)
        Relay(connection, releases, sink, manifest_seconds=3600.0).run(until)


def events(sink: MemorySink) -> list[dict[str, Any]]:
    return [json.loads(line) for record in sink.records for line in record.data.splitlines()]


def rotate(captured: str, contracts: dict[str, Contract]) -> None:
    with connect(captured, "rotate") as connection:
        rotation.begin(connection, rotation.plan(connection, contracts, (1, 2)))
        for entity in backfill.due(connection):
            backfill.backfill(connection, contracts, entity)


def test_every_row_leaves_anew_under_codes_that_join_with_none_of_before(
    captured: str,
    platform: Platform,
    releases: ReleaseSet,
    second: dict[str, Contract],
    under_second: ReleaseSet,
    sink: MemorySink,
) -> None:
    customer, creditor = platform.customer(), platform.creditor()
    debt = platform.debt(customer, creditor)
    relay(captured, releases, sink)
    platform.sql("UPDATE debts SET status = 'settled' WHERE id = %s", debt)  # waits while the key changes
    rotate(captured, second)
    after = MemorySink()
    relay(captured, under_second, after)
    first = {(e["entity"], e["key"]) for e in events(sink) if not e["entity"].startswith("_")}
    anew = [e for e in events(after) if not e["entity"].startswith("_")]
    assert {e["entity"] for e in anew} == {"customers", "creditors", "debts"}
    assert not first & {(e["entity"], e["key"]) for e in anew}
    keys = {e["entity"]: e["key"] for e in anew}
    (debts, *_) = [e["record"] for e in anew if e["entity"] == "debts"]
    assert (debts["customer_id"], debts["creditor_id"]) == (keys["customers"], keys["creditors"]), "all of one key"
    assert [e["op"] for e in anew if e["entity"] == "debts"] == ["update", "snapshot"]
    assert keys["customers"] == LocalKeyring(DATA_KEY, KEYS, 2).pseudonym("customer", str(customer))


def test_manifests_say_under_which_key_their_range_was_made_and_until_when_rows_are_due(
    captured: str,
    platform: Platform,
    releases: ReleaseSet,
    second: dict[str, Contract],
    under_second: ReleaseSet,
    sink: MemorySink,
) -> None:
    platform.customer()
    relay(captured, releases, sink)
    rotate(captured, second)
    relay(captured, under_second, sink)
    relay(captured, under_second, sink)
    told = [e["record"] for e in events(sink) if e["entity"] == "_manifest" and e["record"]["of"] == "customers"]
    told.sort(key=lambda record: record["seq_from"])
    assert [record["key_version"] for record in told] == sorted(record["key_version"] for record in told)
    assert {record["key_version"] for record in told} == {1, 2}
    assert [record["backfill_due"] for record in told if record["key_version"] == 2][-1] is False
    assert next(record["backfill_due"] for record in told if record["key_version"] == 2) is True


def test_a_relay_under_another_key_than_is_in_use_does_not_start_and_loses_nothing(
    captured: str,
    platform: Platform,
    under_second: ReleaseSet,
    releases: ReleaseSet,
    second: dict[str, Contract],
    sink: MemorySink,
) -> None:
    platform.customer()
    before = platform.outbox()
    with pytest.raises(SettingsError, match="`publisher keys rotate` begins the next one"):
        relay(captured, under_second, sink)
    assert platform.outbox() == before
    rotate(captured, second)
    with pytest.raises(SettingsError, match="the contracts name pseudonym key 1, and 2 is in use"):
        relay(captured, releases, sink)
    assert sink.records == []


def test_a_rotation_waits_for_the_relay_of_the_former_key(captured: str, second: dict[str, Contract]) -> None:
    with connect(captured, "relay") as working, connect(captured, "rotate") as connection:
        assert try_lock(working)
        with pytest.raises(TransientError, match="stop it"):
            rotation.begin(connection, rotation.plan(connection, second, (1, 2)))
        assert epoch.key_version(connection) == 1


def test_keys_are_taken_one_after_the_other(captured: str, contracts: dict[str, Contract], second: dict[str, Contract]) -> None:
    third = {entity: replace(contract, key_version=3) for entity, contract in second.items()}
    with connect(captured, "rotate") as connection:
        for named in (contracts, third):
            with pytest.raises(SettingsError, match="write pseudonymKey 2 in every contract"):
                rotation.begin(connection, rotation.plan(connection, named, (1, 2, 3)))


def test_another_epoch_keeps_the_key(captured: str, second: dict[str, Contract]) -> None:
    rotate(captured, second)
    with connect(captured, "restore") as connection:
        epoch.raise_epoch(connection, "a restore")
        assert epoch.key_version(connection) == 2


def test_contracts_of_two_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="their codes would not join"):
        load_contracts(with_key(tmp_path, 2, "debts"))


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no pseudonym key of version 3"):
        load_release_set(with_key(tmp_path, 3), LocalKeyring(DATA_KEY, KEYS))


def test_the_coarsening_outlives_the_key(
    captured: str, platform: Platform, releases: ReleaseSet, second: dict[str, Contract], under_second: ReleaseSet
) -> None:
    """What stands for a combination does not depend on the pseudonym key: nobody has to look again before anything is told."""
    (group, raws) = next(iter(members(releases, platform).values()))
    assert releases.release.digest(group, group.say(raws, 0)) == under_second.release.digest(group, group.say(raws, 0))


def members(releases: ReleaseSet, platform: Platform) -> dict[str, Any]:
    from publisher.outbox import OutboxRow
    from publisher.relay.judging import change_of

    platform.customer()
    (row,) = platform.sql(
        "SELECT seq, entity, op, key, subject, row::text, captured_at FROM publisher.outbox WHERE entity = 'customers'"
    )
    return releases.release.members(change_of(OutboxRow(*row)))


def test_the_plan_says_what_is_before_one(captured: str, platform: Platform, second: dict[str, Contract]) -> None:
    platform.customer()
    platform.sql("ANALYZE customers")
    with connect(captured, "plan") as connection:
        found = rotation.plan(connection, second, (1, 2))
    assert (found.in_use, found.named, found.rows["customers"], found.begins) == (1, 2, 1, True)
    text = rotation.as_text(found)
    assert "Key 1 is in use; the contracts name key 2; the secret holds 1, 2." in text
    assert "All 1 rows" in text


def test_a_rotation_waits_for_what_may_be_on_its_way_and_for_dead_letters(
    captured: str, platform: Platform, releases: ReleaseSet, second: dict[str, Contract], sink: MemorySink
) -> None:
    platform.customer()
    with connect(captured, "relay") as connection, pytest.raises(Killed):
        Relay(connection, releases, DeliversThenDies()).run(Until.SENT)
    with connect(captured, "rotate") as connection, pytest.raises(TransientError, match="relay --drain"):
        rotation.begin(connection, rotation.plan(connection, second, (1, 2)))
    relay(captured, releases, sink)
    platform.customer(date_of_birth=secret("31 Febtember"))
    relay(captured, releases, sink, Until.SENT)
    with connect(captured, "rotate") as connection, pytest.raises(TransientError, match="1 dead letters wait"):
        rotation.begin(connection, rotation.plan(connection, second, (1, 2)))
    with connect(captured, "rotate") as connection:
        assert epoch.key_version(connection) == 1


def test_a_rotation_that_was_stopped_goes_on(
    captured: str, platform: Platform, second: dict[str, Contract], under_second: ReleaseSet, sink: MemorySink
) -> None:
    platform.customer()
    platform.clear()
    with connect(captured, "rotate") as connection:
        rotation.begin(connection, rotation.plan(connection, second, (1, 2)))  # and killed before the backfill
    with connect(captured, "rotate") as connection:
        found = rotation.plan(connection, second, (1, 2))
        assert (found.begins, "customers" in found.unfinished) == (False, True)
        for entity in found.unfinished:
            backfill.backfill(connection, second, entity)
    relay(captured, under_second, sink)
    assert [e["op"] for e in events(sink) if e["entity"] == "customers"] == ["snapshot"]

"""A new pseudonym key, on real tables: silver waits, changes over when all has come, and is then what a lake of the new codes alone would be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from lake_assets.bronze.conservation import BatchContents
from lake_assets.completeness import all_under, verify_manifests
from lake_assets.raw import progress
from lake_assets.silver.current import merge_entities, merge_tombstones
from lake_assets.silver.history import history_progress, update_history
from lake_assets.silver.rekey import NAME, announce, exchange, exchanging, waits
from lake_assets.transforms.events import typed_events, typed_records
from lake_assets.transforms.fields import Rules
from lake_assets.transforms.rules import rules_of
from publisher import wire
from publisher.contracts import Contract
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import START, event, line

BASE = 1 << wire.EPOCH_BITS
Lines = list[tuple[str, bytes]]
NEW = 100
"""Added to a key's number, it gives the same row's code under the second key."""


class Arrivals:
    """What lands, a batch at a time, as bronze writes it."""

    def __init__(self, lake: Lake) -> None:
        self.lake, self.batch = lake, 0

    def take(self, rules: Rules, contracts: dict[str, Contract], events: Lines, told: list[bytes], *, hold: bool) -> int:
        """Loads a batch, and merges it unless silver waits; its number."""
        self.batch += 1
        tables, columns = self.lake.tables, "object STRING, line STRING"
        contents = {}
        for entity in contracts:
            mine = [each for of, each in events if of == entity]
            if mine:
                frame = tables.spark.createDataFrame([("o", each.decode()) for each in mine], columns).coalesce(1)
                tables.append("bronze", entity, typed_events(frame, rules[entity], self.batch), batch=self.batch)
                contents[entity] = BatchContents(len(mine), sum(b'"op":"delete"' in each for each in mine), 0)
        if told:
            frame = tables.spark.createDataFrame([("o", each.decode()) for each in told], columns).coalesce(1)
            tables.append("ops", "manifests", typed_records(frame, rules[wire.MANIFEST], self.batch), batch=self.batch)
        if not hold:
            merge_tombstones(tables, contents, self.batch)
            merge_entities(self.lake.open, contracts.values(), contents, self.batch)
        return self.batch


@dataclass
class Story:
    lake: Lake
    arrivals: Arrivals
    second: dict[str, Contract]
    before: dict[str, set[str]]
    while_waiting: dict[str, set[str]]
    complete_early: bool
    complete: bool
    rows: dict[str, int]


def silver(lake: Lake, entity: str) -> set[str]:
    return {row._key for row in lake.tables.read("silver", entity).select("_key").collect()}


def manifests(
    rules: Rules, epoch: int, low: int, high: int, lines: list[tuple[str, bytes]], *, due: bool, key: int
) -> list[bytes]:
    base = BASE * epoch
    return [
        wire.manifest(
            of=entity, seq_from=base + low, seq_to=base + high, revision=0, closed_at=START + timedelta(minutes=epoch * 100 + high),
            events=len(mine := [each for of, each in lines if of == entity]), dead_letters=0, digest=sum(map(wire.digest_of, mine)),
            backfill_due=due, key_version=key,
        ).line
        for entity in rules
        if not entity.startswith("_")
    ]  # fmt: skip


@pytest.fixture(scope="module")
def story(lake: Lake, contracts: dict[str, Contract]) -> Story:
    """Under key 1: three debtors and their debts, one of them deleted. Then the same rows under key 2, in two parts, and a change between."""
    contracts = {entity: contracts[entity] for entity in ("customers", "debts")}
    rules = rules_of(contracts)
    again = {entity: replace(contract, key_version=2, version="9.0.0") for entity, contract in contracts.items()}
    later = rules_of(again)

    def lines(using: Rules, epoch: int, *these: tuple[str, int, int, str]) -> list[tuple[str, bytes]]:
        return [(entity, line(event(using[entity], key, BASE * epoch + seq, op=op))) for entity, key, seq, op in these]

    old = lines(
        rules, 1, *(("customers", key, key + 1, "insert") for key in range(3)), *(("debts", key, key + 4, "insert") for key in range(3)),
        ("debts", 2, 7, "delete"),
    )  # fmt: skip
    arrivals = Arrivals(lake)
    arrivals.take(rules, contracts, old, manifests(rules, 1, 0, 8, old, due=False, key=1), hold=False)
    update_history(lake.tables, contracts["debts"], 1)
    verify_manifests(lake.tables, contracts)
    before = {entity: silver(lake, entity) for entity in contracts}
    assert not waits(lake.tables, contracts.values())

    part = lines(later, 2, *(("customers", key + NEW, key + 1, "snapshot") for key in range(3)))
    assert waits(lake.tables, again.values())
    arrivals.take(later, again, part, manifests(later, 2, 0, 3, part, due=True, key=2), hold=True)
    verify_manifests(lake.tables, again)
    early = all_under(lake.tables, again, 2)
    while_waiting = {entity: silver(lake, entity) for entity in contracts}

    rest = lines(
        later, 2, ("debts", NEW, 4, "snapshot"), ("debts", 1 + NEW, 5, "snapshot"),
        ("debts", NEW, 7, "update"), ("customers", 2 + NEW, 8, "delete"),
    )  # fmt: skip
    upto = arrivals.take(later, again, rest, manifests(later, 2, 3, 8, rest, due=False, key=2), hold=True)
    verify_manifests(lake.tables, again)
    complete = all_under(lake.tables, again, 2)
    announce(lake.tables)
    rows = exchange(lake.open, list(again.values()), upto)
    return Story(lake, arrivals, again, before, while_waiting, early, complete, rows)


def codes(*keys: int) -> set[str]:
    from tests.unit.lake.make_events import pseudonym

    return {pseudonym(key) for key in keys}


def test_silver_stays_whole_and_of_the_former_key_until_all_has_come(story: Story) -> None:
    assert story.before == {"customers": codes(0, 1, 2), "debts": codes(0, 1)}
    assert story.while_waiting == story.before
    assert (story.complete_early, story.complete) == (False, True)


def test_then_silver_has_the_new_codes_and_nothing_else(story: Story) -> None:
    now = {entity: silver(story.lake, entity) for entity in story.second}
    assert now == {"customers": codes(NEW, 1 + NEW), "debts": codes(NEW, 1 + NEW)}
    assert story.rows == {entity: len(keys) for entity, keys in now.items()}
    assert not waits(story.lake.tables, story.second.values())
    assert not exchanging(story.lake.tables, story.second.values())


def test_history_and_tombstones_begin_anew_with_what_came_under_the_new_key(story: Story) -> None:
    tables = story.lake.tables
    debts = tables.read("silver", "debts_history").collect()
    assert {row._key for row in debts} == codes(NEW, 1 + NEW)
    assert sorted(row._op for row in debts) == ["snapshot", "snapshot", "update"]
    assert {(row.entity, row.key) for row in tables.read("ops", "tombstones").collect()} == {("customers", *codes(2 + NEW))}
    known = progress.read(tables, history_progress("debts"))
    assert known is not None
    assert known.position == 3


def test_later_batches_go_on_from_there(story: Story) -> None:
    later = rules_of(story.second)
    late = [
        ("debts", line(event(later["debts"], 1 + NEW, BASE * 2 + 9, op="delete"))),
        ("customers", line(event(later["customers"], 2 + NEW, BASE * 2 + 2, op="update"))),
    ]
    story.arrivals.take(later, story.second, late, [], hold=False)
    assert silver(story.lake, "debts") == codes(NEW)
    assert silver(story.lake, "customers") == codes(NEW, 1 + NEW), "a late event raises no dead row"


@pytest.mark.long
def test_an_exchange_that_died_is_told_and_done_again_with_what_came_since(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the tables written: gold and history wait, and the next run writes the same."""
    third = {entity: replace(contract, key_version=3, version="9.1.0") for entity, contract in story.second.items()}
    later = rules_of(third)
    new = [(entity, line(event(later[entity], 7 + NEW, BASE * 3 + 1, op="snapshot"))) for entity in third]
    batch = story.arrivals.take(later, third, new, manifests(later, 3, 0, 2, new, due=False, key=3), hold=True)

    def dies(*_: Any) -> Any:
        raise KeyboardInterrupt

    announce(story.lake.tables)
    with monkeypatch.context() as patch:
        patch.setattr("lake_assets.silver.rekey.write_anew", dies)
        with pytest.raises(KeyboardInterrupt):
            exchange(story.lake.open, list(third.values()), batch)
    assert exchanging(story.lake.tables, third.values())
    assert waits(story.lake.tables, third.values())
    # Silver did without what came since: it must not be missing afterwards.
    since = [(entity, line(event(later[entity], 8 + NEW, BASE * 3 + 3, op="insert"))) for entity in third]
    last = story.arrivals.take(later, third, since, [], hold=True)
    announce(story.lake.tables)
    exchange(story.lake.open, list(third.values()), last)
    assert not exchanging(story.lake.tables, third.values())
    assert {entity: silver(story.lake, entity) for entity in third} == {entity: codes(7 + NEW, 8 + NEW) for entity in third}
    known = progress.read(story.lake.tables, NAME)
    assert known is not None
    assert known.position == 3

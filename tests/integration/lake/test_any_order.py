"""Proves that silver, tombstones and history are pure functions of the set of events, against an oracle in plain Python.

Hypothesis chooses how the events are ordered, repeated and split into batches; many keys go through each example, since each costs
real merges.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import Row
from pyspark.sql import functions as sf

from lake_assets.bronze.conservation import count_batch
from lake_assets.raw import progress
from lake_assets.silver.current import merge_batch, merge_tombstones
from lake_assets.silver.history import history_progress, update_history
from lake_assets.transforms.events import typed_events
from lake_assets.transforms.fields import EntityRule
from lake_assets.transforms.rules import rules_of
from lake_assets.transforms.winners import winners
from publisher import wire
from publisher.contracts import Contract
from resources.spark import as_micros
from resources.tables import LakeTables
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import START, event, line, signed

ENTITY = "debts"
KEYS = 40
GENERATIONS = count(1)
VERSIONS = ("0.9.0", "1.9.0", "1.10.0", "10.0.0")
"""As text they would come in another order."""


@dataclass(frozen=True)
class Emptied:
    """Tables without a row, and the generation in which they are filled."""

    tables: LakeTables
    generation: int


def make_events(rule: EntityRule, seed: int) -> list[dict[str, Any]]:
    """Histories of many keys: inserts, updates, deletes, keys that come back, clocks that step back, one seq with two contents."""
    rng = random.Random(seed)
    events = []
    for seq in range(1, KEYS * 4):
        key, op = rng.randrange(KEYS), rng.choice(("insert", "update", "update", "delete", "snapshot", "erase"))
        at = START + timedelta(minutes=seq + rng.randrange(-30, 30))
        events.append(event(rule, key, seq, op=op, at=at))
        if rng.random() < 0.05:
            other = event(rule, key, seq, op=rng.choice(("update", "delete")), salt=3, at=at)
            events.append({**other, "contract": rng.choice(VERSIONS)})
    return events


def order(built: dict[str, Any]) -> tuple[Any, ...]:
    return built["seq"], [int(part) for part in built["contract"].split(".")], signed(wire.digest_of(line(built)))


def micros(at: datetime) -> int:
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def is_delete(built: dict[str, Any]) -> bool:
    return built["op"] in ("delete", "erase")


def expected_silver(events: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Key → digest of the row that holds."""
    best: dict[str, dict[str, Any]] = {}
    for built in events:
        if built["key"] not in best or order(built) > order(best[built["key"]]):
            best[built["key"]] = built
    return {key: order(built)[2] for key, built in best.items() if not is_delete(built)}


def expected_tombstones(events: Iterable[dict[str, Any]]) -> dict[str, int]:
    buried: dict[str, int] = {}
    for built in filter(is_delete, events):
        buried[built["key"]] = max(built["seq"], buried.get(built["key"], 0))
    return buried


def expected_history(events: Iterable[dict[str, Any]]) -> set[tuple[Any, ...]]:
    best: dict[tuple[str, int], dict[str, Any]] = {}
    for built in events:
        at = built["key"], built["seq"]
        if at not in best or order(built) > order(best[at]):
            best[at] = built
    rows = set()
    for key in {key for key, _ in best}:
        mine = [best[at] for at in sorted(best) if at[0] == key]
        times = [micros(datetime.fromisoformat(built["committed_at"])) for built in mine]
        starts = [max(times[: n + 1]) for n in range(len(mine))]
        for n, built in enumerate(mine):
            after = n + 1 < len(mine)
            rows.add(
                (
                    key, built["op"], built["seq"], mine[n + 1]["seq"] if after else None, starts[n],
                    starts[n + 1] if after else None, not after and not is_delete(built), order(built)[2],
                )
            )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts[ENTITY]


@given(data=st.data())
@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # shrinking a failure would take an hour of merges
    suppress_health_check=list(HealthCheck),
)
def test_any_order_repetition_and_split_gives_the_same_tables(data: st.DataObject, lake: Lake, contract: Contract) -> None:
    rule = rules_of({ENTITY: contract})[ENTITY]
    events = make_events(rule, data.draw(st.integers(0, 10**6), label="seed"))
    arrivals = data.draw(st.permutations(events), label="order")[:]
    arrivals += data.draw(st.lists(st.sampled_from(events), max_size=40), label="repeated")
    cuts = sorted(data.draw(st.lists(st.integers(1, len(arrivals) - 1), min_size=1, max_size=2, unique=True), label="cuts"))
    batches = [arrivals[a:b] for a, b in zip([0, *cuts], [*cuts, len(arrivals)], strict=True)]
    emptied = fresh(lake)
    tables, generation = emptied.tables, emptied.generation
    for number, batch in enumerate(batches, 1):
        load(emptied, contract, rule, number, batch)
        if data.draw(st.booleans(), label="history after this batch"):
            update_history(tables, contract, number, generation=generation)
    update_history(tables, contract, len(batches), generation=generation)
    silver = tables.read("silver", ENTITY).collect()
    assert {row._key: row._digest for row in silver} == expected_silver(events)
    assert len(silver) == len(expected_silver(events))
    buried = tables.read("ops", "tombstones").groupBy("key").agg(sf.max("seq").alias("seq")).collect()
    assert {row.key: row.seq for row in buried} == expected_tombstones(events)
    rows = [
        (row._key, row._op, row._seq_from, row._seq_to, row._valid_from, row._valid_to, row._is_current, row._digest)
        for row in collected_history(tables)
    ]
    assert set(rows) == expected_history(events)
    assert len(rows) == len(expected_history(events))


def test_who_wins_is_told_by_position_then_version_then_digest(lake: Lake, contract: Contract) -> None:
    """Thousands of groups in one query, as many as examples of a property: few positions, so that version and digest decide."""
    rule, rng = rules_of({ENTITY: contract})[ENTITY], random.Random(11)
    events = [
        {**event(rule, key, rng.randrange(1, 4), op=rng.choice(("update", "delete")), salt=rng.randrange(3)), "contract": version}
        for key in range(1500)
        for version in rng.choices(VERSIONS, k=rng.randrange(1, 7))
    ]
    lines = lake.tables.spark.createDataFrame([("o", line(built).decode()) for built in events], "object STRING, line STRING")
    won = winners(typed_events(lines, rule, 1), "_key").select("_key", "_seq", "_contract", "_digest").collect()
    best: dict[str, dict[str, Any]] = {}
    for built in events:
        if built["key"] not in best or order(built) > order(best[built["key"]]):
            best[built["key"]] = built
    assert {(row._key, row._seq, row._contract, row._digest) for row in won} == {
        (key, built["seq"], built["contract"], order(built)[2]) for key, built in best.items()
    }
    assert len(won) == 1500


def test_a_position_with_two_contents_is_counted_and_a_repeated_merge_changes_nothing(lake: Lake, contract: Contract) -> None:
    rule = rules_of({ENTITY: contract})[ENTITY]
    emptied = fresh(lake)
    first, other = event(rule, 1, 5), event(rule, 1, 5, salt=4)
    load(emptied, contract, rule, 1, [first, first, other, event(rule, 2, 6)])
    found = count_batch(emptied.tables, 1, 4, [ENTITY]).contents
    assert (found[ENTITY].events, found[ENTITY].conflicts) == (4, 1)
    # Another generation, so that no transaction id hides what the merge itself does.
    again = merge_batch(emptied.tables, contract, 1, found[ENTITY], generation=next(GENERATIONS))
    assert (again.inserted, again.updated, again.deleted) == (0, 0, 0)


def test_the_newest_event_of_a_batch_is_told_by_its_own_time_and_not_by_another_batch(lake: Lake, contract: Contract) -> None:
    rule = rules_of({ENTITY: contract})[ENTITY]
    emptied = fresh(lake)
    load(emptied, contract, rule, 1, [event(rule, 1, seq, at=START + timedelta(hours=seq)) for seq in (5, 7, 6)])
    load(emptied, contract, rule, 2, [event(rule, 1, 6, at=START + timedelta(hours=6))])
    spans = {ENTITY: (1, 9)}
    newest = [count_batch(emptied.tables, number, 1, [ENTITY], spans).contents[ENTITY].newest for number in (1, 2)]
    assert newest == [START + timedelta(hours=7), START + timedelta(hours=6)]


def collected_history(tables: LakeTables) -> list[Row]:
    """With times as numbers."""
    history = tables.read("silver", f"{ENTITY}_history")
    return history.withColumns({name: as_micros(name) for name in ("_valid_from", "_valid_to")}).collect()


def fresh(lake: Lake) -> Emptied:
    """The module's lake without a row of the entity, under a generation of its own: making tables anew would take longer."""
    tables, progress_table = lake.tables, lake.tables.sql_name("ops", progress.NAME)
    for layer, name in (("bronze", ENTITY), ("silver", ENTITY), ("silver", f"{ENTITY}_history"), ("ops", "tombstones")):
        tables.spark.sql(f"DELETE FROM {tables.sql_name(layer, name)}").collect()
    tables.spark.sql(f"DELETE FROM {progress_table} WHERE name = '{history_progress(ENTITY)}'").collect()
    return Emptied(tables, next(GENERATIONS))


def load(emptied: Emptied, contract: Contract, rule: EntityRule, number: int, events: list[dict[str, Any]]) -> None:
    tables, generation = emptied.tables, emptied.generation
    lines = tables.spark.createDataFrame([("o", line(built).decode()) for built in events], "object STRING, line STRING")
    tables.append("bronze", ENTITY, typed_events(lines.coalesce(1), rule, number), batch=number, generation=generation)
    contents = count_batch(tables, number, len(events), [ENTITY]).contents
    merge_tombstones(tables, contents, number, generation=generation)
    merge_batch(tables, contract, number, contents[ENTITY], generation=generation)

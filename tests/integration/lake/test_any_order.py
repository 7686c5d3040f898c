"""Proves that silver, tombstones and history are pure functions of the set of events, against an oracle in plain Python.

Hypothesis draws lives of keys, and how their events are repeated and split into batches; many keys go through each example, since each
costs real merges.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pyspark.sql import functions as sf

from lake_assets.bronze.conservation import count_batch
from lake_assets.raw import progress
from lake_assets.silver.current import merge_batch, merge_tombstones
from lake_assets.silver.history import history_progress, update_history
from lake_assets.transforms.events import typed_events
from lake_assets.transforms.fields import EntityRule
from lake_assets.transforms.rules import rules_of
from lake_assets.transforms.winners import winners
from publisher.contracts import Contract
from resources.spark import as_micros
from resources.tables import LakeTables
from tests.fixtures.long import LONG
from tests.integration.lake.conftest import Lake
from tests.integration.lake.lives import (
    BATCHES,
    CASES,
    VERSIONS,
    Rows,
    Step,
    batches_of,
    broken,
    expected_history,
    expected_silver,
    expected_tombstones,
    lives,
    order,
)  # fmt: skip
from tests.unit.lake.make_events import START, event, line

ENTITY = "debts"
GENERATIONS = count(1)
LIVES = 40
SEED = int(os.environ.get("FAULT_SEED", "1"))
"""What is drawn follows from it."""


@dataclass(frozen=True)
class Emptied:
    """Tables without a row, and the generation in which they are filled."""

    tables: LakeTables
    generation: int


@pytest.fixture(scope="module")
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts[ENTITY]


@seed(SEED)
@given(drawn=lives(0, 15))
@settings(max_examples=100, deadline=None, database=None)
def test_the_oracle_itself_makes_no_history_with_gaps_overlaps_or_two_current_rows(
    contract: Contract, drawn: list[list[Step]]
) -> None:
    """Without Spark, so many more examples: it would otherwise only be known that both are the same."""
    rule = rules_of({ENTITY: contract})[ENTITY]
    events = list(chain(*batches_of(rule, [*CASES.values(), *drawn])))
    history = expected_history(rule, events)
    assert broken(history) == []
    current = {key for (key, _), row in history.items() if row[-1]}
    assert current == set(expected_silver(rule, events)), "what is current is what silver has"


@seed(SEED)
@given(
    drawn=lives(LIVES, LIVES), moments=st.lists(st.booleans(), min_size=BATCHES, max_size=BATCHES), shuffled=st.integers(0, 10**6)
)
@settings(
    max_examples=20 if LONG else 1,  # each has the named cases and forty drawn lives
    deadline=None,
    database=None,
    phases=[Phase.generate],  # shrinking a failure would take an hour of merges
    suppress_health_check=list(HealthCheck),
)
def test_any_order_repetition_and_split_gives_the_tables_of_the_oracle(
    lake: Lake, contract: Contract, drawn: list[list[Step]], moments: list[bool], shuffled: int
) -> None:
    """`moments`: after which batches history is built, too. All columns are compared, not only who won."""
    rule = rules_of({ENTITY: contract})[ENTITY]
    emptied = fresh(lake)
    tables, generation = emptied.tables, emptied.generation
    batches = batches_of(rule, [*CASES.values(), *drawn])
    for number, (batch, build) in enumerate(zip(batches, moments, strict=True), 1):
        random.Random(shuffled + number).shuffle(batch)
        load(emptied, contract, rule, number, batch)
        if build or number == len(batches):
            update_history(tables, contract, number, generation=generation)
    events = list(chain(*batches))
    silver = collected(tables, ENTITY, [*names(rule), "_seq", "_subject", "_committed_at", "_contract", "_digest"], "_key")
    assert silver == expected_silver(rule, events)
    buried = tables.read("ops", "tombstones").groupBy("key").agg(sf.max("seq").alias("seq")).collect()
    assert {row.key: row.seq for row in buried} == expected_tombstones(events)
    told = [*names(rule), "_op", "_subject", "_committed_at", "_contract", "_digest"]
    history = collected(
        tables, f"{ENTITY}_history", [*told, "_seq_to", "_valid_from", "_valid_to", "_is_current"], "_key", "_seq_from"
    )
    assert history == expected_history(rule, events)
    assert broken(history) == []


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


def names(rule: EntityRule) -> list[str]:
    return [field.name for field in rule.fields]


def collected(tables: LakeTables, name: str, columns: list[str], *keys: str) -> Rows:
    """A table of silver by its keys, with times as numbers; no key may be there twice."""
    times = {column: as_micros(column) for column in columns if column in ("_committed_at", "_valid_from", "_valid_to")}
    rows = tables.read("silver", name).withColumns(times).select(*keys, *columns).collect()
    found = {(row[0] if len(keys) == 1 else tuple(row[: len(keys)])): tuple(row[len(keys) :]) for row in rows}
    assert len(found) == len(rows), "two rows of one key"
    return found


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

"""Runs the machine: a few hundred steps with the other tests, thousands with `make faults`.

A failure prints the steps that lead to it, and the seed: `FAULT_SEED=… make faults` (or `make test`) takes the same ones again.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from unittest.mock import patch

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from publisher import manifest
from publisher.relay import ReleaseSet, pack
from publisher.relay import flight as relay_flight
from publisher.relay import loop as relay_loop
from publisher.sinks import Failure, Record
from publisher.sinks.kinesis import KinesisSink
from tests.faults.kinesis import Kinesis
from tests.faults.machine import Machine, World
from tests.integration.oracle import Oracle
from tests.integration.publisher.platform import DATA_KEY, PSEUDONYM_KEY

STEPS = 50
ASKED = int(os.environ.get("FAULT_STEPS", "300"))
LONG = "FAULT_STEPS" in os.environ
SEED = int(os.environ.get("FAULT_SEED", secrets.randbelow(1_000_000)))
RUNS = (ASKED * 3 // 2 if LONG else ASKED) // STEPS  # a run may end early


@pytest.fixture
def world(
    database_of_its_own: Callable[[], str], two_releases: tuple[ReleaseSet, ReleaseSet], kinesis: Kinesis, kinesis_sink: KinesisSink
) -> Iterator[World]:  # fmt: skip
    """Everything as in production, but that a relay is less patient."""
    Machine.world = World(database_of_its_own, two_releases, kinesis, kinesis_sink, Oracle(DATA_KEY, PSEUDONYM_KEY))
    with patch.multiple(relay_flight, BACKOFF_FIRST_SECONDS=0.001, BACKOFF_MOST_SECONDS=0.01), patch.object(relay_loop, "TICK_SECONDS", 0.0), patch("publisher.digest.PATIENCE_SECONDS", 0.1):  # fmt: skip
        yield Machine.world


def run(runs: int, **options: object) -> None:
    machine = settings(
        max_examples=runs, stateful_step_count=STEPS, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck), **options
    )  # fmt: skip
    try:
        run_state_machine_as_test(seed(SEED)(Machine), settings=machine)
    except BaseException as error:
        error.add_note(f"FAULT_SEED={SEED} takes these steps again")
        raise


def test_whatever_happens_nothing_is_lost_reordered_or_told_in_two_ways(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(RUNS, phases=[Phase.generate, *([Phase.shrink] if LONG else [])])
    assert world.steps >= (ASKED if LONG else ASKED // 2)
    if LONG:
        with capsys.disabled():
            print(f"\nseed {SEED}: {world.steps:,} steps without a violation: {dict(world.did.most_common())}")
            print(f"what the stream answered: {dict(world.kinesis.answered.most_common())}")


def _says_all_arrived(sink: KinesisSink, records: Sequence[Record]) -> list[Failure]:
    REAL_PUT(sink, records)
    return []


def _packs_backwards(partition: int, release: str, items: Iterable[pack.Outgoing], lines: Iterable[bytes]) -> pack.Packed:
    return REAL_PACKED(partition, release, list(items)[::-1], list(lines)[::-1])


def _never_captures(self: World) -> str:
    url = self.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE debts DISABLE TRIGGER USER")
    return url


REAL_PUT, REAL_PACKED = KinesisSink.put, pack.packed_of
PLANTED = {
    "a record that failed counts as sent": (KinesisSink, "put", _says_all_arrived, "lost"),
    "what a predecessor put is not repeated under its release": (relay_loop, "recover", lambda *_: [], "several contents"),
    "a sent event is not counted": (manifest, "count", lambda *_: None, "a manifest of"),
    "a dead letter is not counted": (manifest, "count_dead", lambda *_: None, "dead letters"),
    "a record's events stand in another order": (pack, "packed_of", _packs_backwards, "out of order"),
    "a table is not captured": (World, "database", _never_captures, "not captured|lost"),
}


@pytest.mark.skipif(not LONG, reason="`make faults` plants them")
@pytest.mark.parametrize("bug", sorted(PLANTED))
def test_the_machine_finds_a_planted_bug(world: World, bug: str) -> None:
    """Otherwise that it finds none would say nothing."""
    owner, name, planted, said = PLANTED[bug]
    with patch.object(owner, name, planted), pytest.raises(AssertionError, match=said):
        run(200, phases=[Phase.generate], report_multiple_bugs=False)

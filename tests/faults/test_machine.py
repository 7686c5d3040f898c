"""Runs the machine: a few hundred steps with the other tests, thousands with `make faults`. A failure prints the steps that lead to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from publisher.relay import ReleaseSet
from publisher.relay import flight as relay_flight
from publisher.relay import loop as relay_loop
from publisher.sinks.kinesis import KinesisSink
from tests.faults.kinesis import Kinesis
from tests.faults.machine import Machine, World
from tests.integration.oracle import Oracle
from tests.integration.publisher.platform import DATA_KEY, PSEUDONYM_KEY

STEPS = 50
RUNS = int(os.environ.get("FAULT_STEPS", "400")) // STEPS


def test_whatever_happens_nothing_is_lost_reordered_or_told_in_two_ways(
    database_of_its_own: Callable[[], str], two_releases: tuple[ReleaseSet, ReleaseSet], kinesis: Kinesis, kinesis_sink: KinesisSink,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    Machine.world = World(database_of_its_own, two_releases, kinesis, kinesis_sink, Oracle(DATA_KEY, PSEUDONYM_KEY))
    machine = settings(
        max_examples=RUNS, stateful_step_count=STEPS, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
    )
    with patch.multiple(relay_flight, BACKOFF_FIRST_SECONDS=0.001, BACKOFF_MOST_SECONDS=0.01), patch.object(relay_loop, "TICK_SECONDS", 0.0):  # fmt: skip
        run_state_machine_as_test(Machine, settings=machine)
    world = Machine.world
    with capsys.disabled():
        if "FAULT_STEPS" in os.environ:
            print(f"\n{world.steps:,} steps without a violation: {dict(world.did.most_common())}")
            print(f"what the stream answered: {dict(kinesis.answered.most_common())}")
    assert world.steps > RUNS * STEPS // 2

"""Health says what is wrong and what to do; labels stay few and hold no value; every metric is in the runbook."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from publisher.deadletters import DeadLetter
from publisher.watch.health import BLIND_SECONDS, TURN_SECONDS, alive, ready
from publisher.watch.metrics import VitalsCollector
from publisher.watch.outlook import EVERY_SECONDS, Outlook
from publisher.watch.vitals import OTHER, REASONS_MOST, State, Vitals

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
LIMIT = 300.0


def vitals(state: State = State.WORKING, oldest: float | None = 0.0, look_age: float = 0.0) -> Vitals:
    made = Vitals(["debts"])
    made.is_now(state)
    made.outlook = Outlook(time.monotonic() - look_age, oldest, 0, 0, 0, 0, 0.0)
    return made


@pytest.mark.parametrize("state", State)
def test_only_a_relay_that_works_or_stands_by_is_ready(state: State) -> None:
    verdict = ready(vitals(state), LIMIT)
    assert verdict.ok == (state in (State.WORKING, State.STANDBY))
    assert alive(vitals(state)).ok
    assert verdict.ok or "remedy: " in verdict.text


@pytest.mark.parametrize(
    ("oldest", "look_age", "ok", "said"),
    [
        (LIMIT - 1, 0.0, True, "waits for 299 s"),
        (LIMIT + 1, 0.0, False, "late: the oldest unsent event waits for 301 s, the limit is 300 s"),
        (LIMIT - 1, 2 * EVERY_SECONDS + 5, False, "waits for 304 s"),
        (0.0, BLIND_SECONDS + 1, False, "late"),
        (None, 0.0, False, "is not known"),
    ],
)
def test_what_waits_decides(oldest: float | None, look_age: float, ok: bool, said: str) -> None:
    verdict = ready(vitals(oldest=oldest, look_age=look_age), LIMIT)
    assert (verdict.ok, said in verdict.text) == (ok, True), verdict.text
    assert verdict.ok or "remedy: " in verdict.text


def test_a_working_relay_that_has_not_looked_yet_is_not_ready() -> None:
    made = vitals()
    made.outlook = None
    assert not ready(made, LIMIT).ok


def test_a_loop_that_does_not_come_round_is_dead() -> None:
    made = vitals()
    now = made.turned_at + TURN_SECONDS + 1
    assert "restart the relay" in alive(made, now).text
    assert not alive(made, now).ok
    assert not ready(made, LIMIT, now).ok


def test_labels_are_few_and_hold_only_codes() -> None:
    made = vitals()
    made.failed({"ThrottlingException": 2, "Ada Example, 4711": 3, "x" * 65: 1}, {"Ada Example": 1})
    assert (made.retries, made.failing) == ({"ThrottlingException": 2, OTHER: 4}, {OTHER: 1})
    made.failed({f"Code{number}": 1 for number in range(1000)}, {})
    made.parked(
        DeadLetter(n, "debts", "insert", "1", f"outside the contract's range of {n}", (), waits=False) for n in range(1000)
    )
    for counts in (made.retries, made.dead_letters):
        assert len(counts) <= REASONS_MOST + 1
        assert counts[OTHER] > 900
    assert made.failing == {}
    assert made.entity("debts") == "debts"
    assert made.entity("Ada Example") == OTHER


def test_pages_are_sorted_into_their_buckets() -> None:
    made = vitals()
    for seconds in (0.0005, 0.001, 0.2, 60.0):
        made.released(seconds)
    (histogram,) = [m for m in VitalsCollector(made, LIMIT).collect() if m.name == "publisher_release_page_seconds"]
    counts = {s.labels["le"]: s.value for s in histogram.samples if s.name.endswith("_bucket")}
    assert (counts["0.001"], counts["0.1"], counts["0.25"], counts["2.5"], counts["+Inf"]) == (2, 2, 3, 3, 4)


def test_every_metric_is_in_the_runbook_and_no_other() -> None:
    names = {f"{m.name}_total" if m.type == "counter" else m.name for m in VitalsCollector(vitals(), LIMIT).collect()}
    table = RUNBOOK.read_text(encoding="utf-8").split("\n### Metrics\n", 1)[1].split("\n#", 1)[0]
    assert {line.split("`")[1].split("{")[0] for line in table.splitlines() if line.startswith("| `")} == names

"""Proves what a batch gets that is loaded again after its objects changed, or after another batch showed a position otherwise; and
what the ledger does when a run that was killed is still writing to it."""

from __future__ import annotations

import time
from functools import partial

import pytest

from lake_assets.bronze.conflicts import open_conflicts, remember_conflicts
from lake_assets.bronze.load import BronzeResult, load_batch
from lake_assets.bronze.objects import GONE
from lake_assets.raw import ledger
from lake_assets.raw.batches import Batch, read_batch
from lake_assets.raw.ledger import LedgerChanged, register
from lake_assets.transforms.fields import Rules
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import event, line

DEBTS = "debts"
HIDDEN_SECONDS = 1


def registered(lake: Lake) -> Batch:
    [number] = register(lake.tables, lake.landing, lake.notifications).batches
    return read_batch(lake.tables, number)


def load(lake: Lake, rules: Rules, batch: Batch) -> BronzeResult:
    return load_batch(lake.tables, lake.landing, rules, batch)


def quarantined(lake: Lake, batch: Batch) -> list[str]:
    return [row.reason for row in lake.tables.read("ops", "quarantine").where(f"_batch = {batch.number}").collect()]


@pytest.mark.parametrize("what", ["deleted", "overwritten"])
def test_an_object_that_was_loaded_need_not_be_there_when_its_batch_is_loaded_again(lake: Lake, rules: Rules, what: str) -> None:
    base = 100 if what == "deleted" else 200
    lines = [line(event(rules[DEBTS], n, base + n)) for n in range(3)]
    key = lake.land(f"{what}.gz", [*lines, b"no JSON"])
    lake.land(f"stays-{what}.gz", [line(event(rules[DEBTS], 7, base + 7))])
    batch = registered(lake)
    first = load(lake, rules, batch)
    if what == "deleted":
        lake.s3.delete_object(Bucket=lake.landing.bucket, Key=key)
    else:
        lake.land(f"{what}.gz", lines[:1])
        lake.notifications.delete(lake.notifications.receive())
    again = load(lake, rules, batch)
    assert (first.read, first.conservation.held, first.bad_objects) == (5, 5, 0)
    assert again.conservation == first.conservation, "read, held and counted as before"
    assert (again.events, again.bad_objects) == (first.events, 0)
    assert quarantined(lake, batch) == ["not JSON"]


def test_an_object_that_was_gone_at_first_stays_one_row_of_quarantine(lake: Lake, rules: Rules) -> None:
    key = lake.land("gone.gz", [line(event(rules[DEBTS], 1, 301))])
    lake.land("there.gz", [line(event(rules[DEBTS], 2, 302))])
    batch = registered(lake)
    lake.s3.delete_object(Bucket=lake.landing.bucket, Key=key)
    first, again = load(lake, rules, batch), load(lake, rules, batch)
    assert first.conservation.holds
    assert again.conservation == first.conservation
    assert quarantined(lake, batch) == [GONE]


def test_a_second_content_in_a_later_batch_is_a_conflict_that_stays_open(lake: Lake, rules: Rules) -> None:
    rule, seen = rules[DEBTS], []
    for name, events in {
        "first": [event(rule, 1, 401), event(rule, 2, 402)],
        "restored": [event(rule, 2, 402, salt=4), event(rule, 3, 403)],
        "repeated": [event(rule, 1, 401)],
        "later": [event(rule, 4, 404)],
    }.items():
        lake.land(f"{name}.gz", list(map(line, events)))
        batch = registered(lake)
        contents = load(lake, rules, batch).conservation.contents
        for _ in range(2):
            remember_conflicts(lake.tables, batch, contents)
        seen.append((contents[DEBTS].events, contents[DEBTS].conflicts, open_conflicts(lake.tables).get(DEBTS, 0)))
    assert seen == [(2, 0, 0), (2, 1, 1), (1, 0, 1), (1, 0, 1)]
    lake.tables.spark.sql(f"DELETE FROM {lake.tables.sql_name('ops', 'conflicts')} WHERE entity = '{DEBTS}'").collect()
    assert open_conflicts(lake.tables) == {}


def test_what_a_killed_run_recorded_meanwhile_loses_no_notification(
    lake: Lake, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.land("before.gz", [line(event(rules[DEBTS], 1, 501))])
    theirs = registered(lake)
    key = lake.land("after.gz", [line(event(rules[DEBTS], 2, 502))])
    with monkeypatch.context() as patch:  # the ledger as it was before the other run's commit
        patch.setattr(lake.notifications, "receive", partial(lake.notifications.receive, hidden_seconds=HIDDEN_SECONDS))
        patch.setattr(ledger, "_look_up", lambda tables, found: (set(), theirs.number - 1))
        with pytest.raises(LedgerChanged, match="no notification was deleted"):
            register(lake.tables, lake.landing, lake.notifications)
    time.sleep(HIDDEN_SECONDS + 0.5)
    ours = registered(lake)
    assert (ours.number, [landed.key for landed in ours.objects]) == (theirs.number + 1, [key])

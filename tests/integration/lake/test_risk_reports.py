"""The platform's reports on its k-groups: on the fast path into `ops/risk`, counted by conservation, the newest told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lake_assets.bronze.load import load_batch
from lake_assets.bronze.reports import reports_of
from lake_assets.raw.batches import read_batch
from lake_assets.raw.ledger import register
from lake_assets.transforms.fields import Rules
from lake_assets.transforms.validate import Accepted, judge_line
from publisher import wire
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import event, line

AT = datetime(2026, 11, 24, 4, 5, 6, tzinfo=UTC)


def report(seq: int, minutes: int, smallest: int) -> bytes:
    counts = dict.fromkeys(wire.RISK_COUNTS, 3) | {"k": 10, "people": 1000, "groups": 40, "smallest": smallest, "silent": 25}
    return wire.risk_report(seq, AT + timedelta(minutes=minutes), "customers", "person", counts).line


def test_a_report_is_a_line_that_the_lake_accepts_as_it_is(rules: Rules) -> None:
    assert list(judge_line(report(7, 0, 12), rules)) == [Accepted("_risk", report(7, 0, 12).decode())]


def test_reports_are_loaded_and_accounted_for(lake: Lake, rules: Rules) -> None:
    lake.land("with-reports.gz", [line(event(rules["debts"], 1, 1)), report(2, 10, 12), report(3, 5, 11), report(2, 10, 12)])
    (number,) = register(lake.tables, lake.landing, lake.notifications).batches
    loaded = load_batch(lake.tables, lake.landing, rules, read_batch(lake.tables, number))
    assert loaded.told == {"risk": 3}
    assert (loaded.conservation.holds, loaded.conservation.told, loaded.read) == (True, 3, 4)
    assert loaded.refused == {}
    (newest,) = reports_of(lake.tables, [number])
    assert (newest.group, newest.computed_at, newest.smallest) == ("customers.person", AT + timedelta(minutes=10), 12)
    rows = lake.tables.read("ops", "risk").collect()
    assert {(row.of, row.kgroup, row.k, row.people, row._batch) for row in rows} == {("customers", "person", 10, 1000, number)}

"""Every gold table on real Spark, against figures computed by hand from a few rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lake_assets.gold.engine import load_gold, select
from publisher.contracts import load_contracts
from tests.integration.gold.silver import silver_views

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TODAY = date(2026, 11, 24)
CONTRACTS = load_contracts(Path(__file__).parents[3] / "contracts")


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _people(count: int, start: int, with_email: int = 0, **fields: Any) -> list[dict[str, Any]]:
    base = {"status": "active", "has_phone": False, "has_address": False, "joined_on": _day("2026-01-01")} | fields
    return [{"id": f"c{start + n}", "has_email": n < with_email, **base} for n in range(count)]


CUSTOMERS = [
    *_people(20, 100, with_email=15, birth_band="1980-1989", preferred_channel="email", has_phone=True),
    *_people(3, 200, birth_band="1980-1989", preferred_channel="sms", has_phone=True, joined_on=_day("2026-09-01")),
    *_people(11, 300, birth_band="1980-1989", preferred_channel="letter", has_address=True, joined_on=_day("2026-09-01")),
    *_people(10, 400, with_email=5, birth_band="1990-1999", preferred_channel="email", joined_on=_day("2026-11-01")),
    *_people(4, 500, birth_band="2000-2009", preferred_channel="chat", joined_on=_day("2026-11-01")),
    *_people(9, 600, birth_band="1990-1999", preferred_channel="email", status="closed", joined_on=_day("2026-09-01")),
]
CREDITORS = [{"id": "k1", "code": "C001", "sector": "bank"}]
DEBTS = [
    {"id": "d1", "customer_id": "c100", "creditor_id": "k1", "product": "loan", "status": "in_plan"},
    {"id": "d2", "customer_id": "c101", "creditor_id": "k1", "product": "loan", "status": "open"},
    {"id": "d3", "customer_id": "c101", "creditor_id": "k9", "product": "utility", "status": "settled"},
    {"id": "d4", "customer_id": "c400", "creditor_id": "k1", "product": "loan", "status": "open"},
]


def _version(debt: str, seq: int, status: str, balance: int, since: str, until: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": debt, "_subject": f"of {debt}", "creditor_id": "k1", "product": "loan", "status": status, "balance_pence": balance, "placed_on": _day("2026-08-10"),
        "_op": "update", "_seq_from": seq, "_valid_from": _at(since), "_valid_to": _at(until) if until else None,
    } | more  # fmt: skip


HISTORY = [
    # Known since September, in a plan since the 1st of November.
    _version("d1", 1, "open", 100_000, "2026-09-15T10:00", "2026-11-01T09:00"),
    _version("d1", 5, "in_plan", 90_000, "2026-11-01T09:00"),
    # Settled on the last day of October: closed at its end.
    _version("d2", 2, "open", 50_000, "2026-09-15T10:00", "2026-10-31T23:59"),
    _version("d2", 4, "settled", 0, "2026-10-31T23:59", closed_on=_day("2026-10-31")),
    # Its creditor never arrived; deleted today, and a deletion is no standing.
    _version("d3", 3, "open", 7_000, "2026-11-10T00:00", "2026-11-24T08:00", creditor_id="k9", product="utility", placed_on=_day("2026-11-09")),
    _version("d3", 6, "open", 7_000, "2026-11-24T08:00", _op="delete", creditor_id="k9", product="utility", placed_on=_day("2026-11-09")),
]  # fmt: skip
LATE = {"product": "overdraft", "placed_on": _day("2026-08-10")}
HISTORY += [
    # Loaded in November; that it had been closed in September came a day later.
    _version("d5", 7, "open", 3_000, "2026-11-20T00:00", "2026-11-21T00:00", **LATE),
    _version("d5", 8, "settled", 0, "2026-11-21T00:00", closed_on=_day("2026-09-20"), **LATE),
]
PLANS = [
    {"id": "p1", "debt_id": "d1", "status": "active", "frequency": "monthly", "instalment_pence": 5_000, "started_on": _day("2026-05-24"), "_subject": "c100"},
    {"id": "p2", "debt_id": "d2", "status": "active", "frequency": "monthly", "instalment_pence": 10_000, "started_on": _day("2026-08-24"), "_subject": "c101"},
    {"id": "p3", "debt_id": "d2", "status": "broken", "frequency": "monthly", "instalment_pence": 99_900, "_subject": "c101"},
    {"id": "p4", "debt_id": "d4", "status": "completed", "frequency": "monthly", "instalment_pence": 99_900, "_subject": "c400"},
    {"id": "p5", "debt_id": "d4", "status": "completed", "frequency": "weekly", "instalment_pence": 99_900, "_subject": "c400"},
    {"id": "p6", "debt_id": "d4", "status": "proposed", "frequency": "weekly", "instalment_pence": 99_900, "_subject": "c300"},
    {"id": "p7", "debt_id": "d404", "status": "cancelled", "frequency": "weekly", "instalment_pence": 99_900, "_subject": "c9"},
]  # fmt: skip


def _payment(
    plan: str, person: str, status: str, due: str, paid: str | None = None, pence: int = 5_000, **more: Any
) -> dict[str, Any]:
    return {
        "plan_id": plan, "_subject": person, "status": status, "due_on": _day(due), "paid_on": _day(paid) if paid else None,
        "amount_pence": pence, "method": "direct_debit", **more,
    }  # fmt: skip


PAYMENTS = [
    _payment("p1", "c100", "succeeded", "2026-02-01", "2026-02-04"),
    _payment("p1", "c100", "succeeded", "2026-10-01", "2026-10-03"),
    _payment("p1", "c100", "failed", "2026-10-15", failure_reason="insufficient_funds"),
    _payment("p1", "c100", "pending", "2026-11-20"),
    _payment("p1", "c100", "pending", "2026-12-20"),  # in the future: not due
    _payment("p2", "c101", "failed", "2026-10-01", failure_reason="expired_card"),
    _payment("p2", "c101", "succeeded", "2026-10-20", "2026-10-18", pence=10_000),
    _payment("p4", "c400", "succeeded", "2026-11-10", "2026-11-12", method="card"),
    _payment("p4", "c400", "refunded", "2026-11-11", "2026-11-11", method="card"),
]
MESSAGES = [
    {"id": "m1", "_subject": "c100", "direction": "outbound", "channel": "email", "template": "reminder", "status": "read", "sent_on": _day("2026-10-30")},
    {"id": "m2", "_subject": "c101", "direction": "outbound", "channel": "email", "template": "reminder", "status": "bounced", "sent_on": _day("2026-10-30")},
    {"id": "m3", "_subject": "c100", "direction": "outbound", "channel": "email", "template": "reminder", "status": "sent", "sent_on": _day("2026-10-02")},
    {"id": "m4", "_subject": "c101", "direction": "outbound", "channel": "sms", "status": "sent", "sent_on": _day("2026-11-03")},
    {"id": "m5", "_subject": "c100", "direction": "inbound", "channel": "email", "in_reply_to": "m1", "sent_on": _day("2026-11-02")},
    {"id": "m6", "_subject": "c100", "direction": "inbound", "channel": "sms", "in_reply_to": "m1", "sent_on": _day("2026-11-01")},
    {"id": "m7", "_subject": "c400", "direction": "inbound", "channel": "email", "sent_on": _day("2026-10-05")},
]  # fmt: skip


def _circumstance(person: str, kind: str, severity: str, lifted: str | None = None) -> dict[str, Any]:
    return {"customer_id": person, "kind": kind, "severity": severity, "lifted_on": _day(lifted) if lifted else None}


CIRCUMSTANCES = [
    *[_circumstance(f"c{100 + n}", "job_loss", "low") for n in range(12)],
    _circumstance("c100", "job_loss", "high"),  # counts once, as the heavier: a cell of one
    *[_circumstance(f"c{112 + n}", "job_loss", "medium") for n in range(8)],
    *[_circumstance(f"c{300 + n}", "bereavement", "low") for n in range(11)],
    _circumstance("c400", "gambling", "low", lifted="2026-11-01"),
    _circumstance("c600", "gambling", "low"),  # a closed customer
]


OF_FEW = ("communications", "payments_performance", "plan_health", "portfolio")
"""Tables whose figures are worked out by hand from a handful of people: with a limit of one, after a look at what the true one leaves."""


@pytest.fixture
def gold(spark: SparkSession) -> dict[str, list[dict[str, Any]]]:
    """All tables' rows, in the order of their grain; and the types are the ones that were derived from the SQL."""
    rows = {
        "silver/customers": CUSTOMERS, "silver/creditors": CREDITORS, "silver/debts": DEBTS, "silver/debts_history": HISTORY,
        "silver/plans": PLANS, "silver/payments": PAYMENTS, "silver/messages": MESSAGES, "silver/circumstances": CIRCUMSTANCES,
    }  # fmt: skip
    placed = silver_views(spark, CONTRACTS, rows)
    result = {}
    for name, table in load_gold(CONTRACTS).items():
        if name in OF_FEW:
            cell = table.header.smallest_cell
            assert cell is not None
            hidden = select(table, spark, placed, TODAY).collect()
            assert all(row["suppressed"] and {row[measure] for measure in cell.suppresses} == {None} for row in hidden), name
            table = replace(table, header=replace(table.header, smallest_cell=replace(cell, below=1)))
        frame = select(table, spark, placed, TODAY)
        assert [(c.name, c.type) for c in table.columns] == [(f.name, f.dataType.simpleString().upper()) for f in frame.schema], (
            name
        )
        found = [row.asDict() for row in frame.collect()]
        result[name] = sorted(found, key=lambda row: tuple(str(row[column]) for column in table.header.grain))
    return result


def _row(rows: list[dict[str, Any]], few: bool = False, **grain: Any) -> dict[str, Any]:
    found = [row for row in rows if grain.items() <= row.items()]
    assert len(found) == 1, f"{len(found)} rows for {grain}"
    shown = {name: value for name, value in found[0].items() if name not in (*grain, "counted_on")}
    return {name: value for name, value in shown.items() if name != "suppressed" or not few}


def test_every_table_says_what_its_rows_say_by_hand(gold: dict[str, list[dict[str, Any]]]) -> None:
    # portfolio
    rows = gold["portfolio"]
    assert {row["as_of"] for row in rows} == {_day("2026-08-31"), _day("2026-09-30"), _day("2026-10-31"), TODAY}
    unknown = {"sector": "bank", "people": 2, "open_debts": 2, "in_plan_debts": None, "balance_pence": None, "known_debts": 0}
    assert _row(rows, few=True, month=_day("2026-08-01"), as_of=_day("2026-08-31"), creditor="C001", product="loan") == unknown
    known = {"sector": "bank", "people": 2, "open_debts": 2, "in_plan_debts": 0, "balance_pence": 150_000, "known_debts": 2}
    assert _row(rows, few=True, month=_day("2026-09-01"), as_of=_day("2026-09-30"), creditor="C001", product="loan") == known
    settled = {"sector": "bank", "people": 1, "open_debts": 1, "in_plan_debts": 0, "balance_pence": 100_000, "known_debts": 1}
    assert _row(rows, few=True, month=_day("2026-10-01"), as_of=_day("2026-10-31"), creditor="C001", product="loan") == settled
    in_plan = {"sector": "bank", "people": 1, "open_debts": 1, "in_plan_debts": 1, "balance_pence": 90_000, "known_debts": 1}
    assert _row(rows, few=True, month=_day("2026-11-01"), as_of=TODAY, creditor="C001", product="loan") == in_plan
    assert [row["as_of"] for row in rows if row["product"] == "overdraft"] == [_day("2026-08-31")]
    assert not [row for row in rows if row["product"] == "utility"], "deleted before the day's end, placed after the month's"

    # payments
    rows = gold["payments_performance"]
    assert _row(rows, few=True, month=_day("2026-10-01"), method="direct_debit") == {
        "people": 2, "people_paid": 2, "due": 4, "collected": 2, "failed": 2, "refunded": 0, "outstanding": 0, "due_pence": 25_000, "collected_pence": 15_000,
        "collection_rate": 0.5, "mean_days_late": 1.0, "main_failure_reason": "expired_card",
    }  # fmt: skip
    assert _row(rows, few=True, month=_day("2026-11-01"), method="direct_debit") == {
        "people": 1, "people_paid": 0, "due": 1, "collected": 0, "failed": 0, "refunded": 0, "outstanding": 1, "due_pence": 5_000, "collected_pence": 0,
        "collection_rate": None, "mean_days_late": None, "main_failure_reason": None,
    }  # fmt: skip
    assert _row(rows, few=True, month=_day("2026-11-01"), method="card or cash")["refunded"] == 1

    # plans
    rows = gold["plan_health"]
    assert _row(rows, few=True, product="loan", frequency="monthly") == {
        "people": 3, "people_running": 2, "plans": 4, "active": 2, "kept": 1, "broken": 1, "cancelled": 0, "kept_rate": 0.5, "median_age_months": 4.5,
        "mean_instalment_pence": 7_500, "at_risk": 1, "at_risk_rate": 0.5,
    }  # fmt: skip
    assert _row(rows, few=True, product="loan", frequency="weekly")["plans"] == 1, "a proposal is no plan"
    assert _row(rows, few=True, product="unknown", frequency="weekly")["kept_rate"] is None

    # contactability: 3 people are too few, and another channel hides with them, as the decade's total is known
    rows = gold["contactability"]
    assert _row(rows, birth_band="1980-1989", preferred_channel="letter") == {
        "people": 11, "share_with_email": 0.0, "share_with_phone": 0.0, "share_with_address": 1.0, "share_reachable": 1.0,
        "share_by_preference": 1.0, "suppressed": False,
    }  # fmt: skip
    for channel in ("sms", "email"):
        hidden = _row(rows, birth_band="1980-1989", preferred_channel=channel)
        assert hidden.pop("suppressed")
        assert set(hidden.values()) == {None}
    assert _row(rows, birth_band="1990-1999", preferred_channel="email")["people"] == 10, "closed customers are nobody to reach"

    # communications: two replies, one of them by another channel, are one answer
    rows = gold["communications"]
    assert _row(rows, few=True, month=_day("2026-10-01"), channel="email", template="reminder") == {
        "people": 2, "people_answering": 1, "sent": 3, "bounced": 1, "inbound": 2, "answered": 1, "response_rate": 0.5, "median_days_to_reply": 2.0,
    }  # fmt: skip
    assert _row(rows, few=True, month=_day("2026-10-01"), channel="email", template="unprompted") == {
        "people": 1, "people_answering": 0, "sent": 0, "bounced": 0, "inbound": 1, "answered": 0, "response_rate": None, "median_days_to_reply": None,
    }  # fmt: skip
    assert _row(rows, few=True, month=_day("2026-11-01"), channel="sms", template="free text")["response_rate"] == 0.0

    # vulnerability: c100 counts once, as high; 11 low, 8 medium and 1 high of one kind hide the small two only if they add up
    rows = gold["vulnerability_prevalence"]
    assert [(row["kind"], row["severity"], row["people"]) for row in rows] == [
        ("bereavement", "low", 11), ("job_loss", "high", None), ("job_loss", "low", None), ("job_loss", "medium", None),
    ]  # fmt: skip
    assert _row(rows, kind="bereavement", severity="low") == {
        "people": 11, "share_of_customers": round(11 / 48, 4), "share_with_open_debt": 0.0, "share_with_broken_plan": 0.0, "suppressed": False,
    }  # fmt: skip

    # ages as of the refresh: born on 31 December 1989 one is 36 in November 2026, on 1 January 1980 one is 46
    rows = gold["age_groups"]
    assert [_row(rows, birth_band="1980-1989")[name] for name in ("youngest", "oldest", "age_group")] == [36, 46, "36 to 46"]
    assert _row(rows, birth_band="1990-1999") == {
        "youngest": 26, "oldest": 36, "age_group": "26 to 36", "people": 10, "share_of_customers": round(10 / 48, 4),
        "share_with_open_debt": 0.1, "share_reachable": 0.5, "suppressed": False,
    }  # fmt: skip
    assert [row["birth_band"] for row in rows if row["suppressed"]] == ["1980-1989", "2000-2009"]
    assert _row(rows, birth_band="2000-2009")["age_group"] == "16 to 26", "the band itself is no secret"

    # cohorts: a window is shown only when everybody in the cohort has had it
    rows = gold["monthly_cohorts"]
    assert _row(rows, cohort=_day("2026-01-01")) == {
        "people": 20, "with_plan": 2, "paid": 2, "share_paid": 0.1, "share_paid_30_days": 0.05, "share_paid_90_days": 0.05,
        "share_paid_180_days": 0.05, "median_days_to_payment": 132.0, "suppressed": False,
    }  # fmt: skip
    young = _row(rows, cohort=_day("2026-11-01"))
    assert (young["people"], young["paid"], young["share_paid_30_days"]) == (14, 1, None)
    assert _row(rows, cohort=_day("2026-09-01"))["share_paid_90_days"] is None

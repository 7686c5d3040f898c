"""One good row of every entity, in the form in which the outbox holds it.

Belongs here: rows and keys for the release's tests. Not here: expectations.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from publisher.contracts.kgroups import KGroup
from publisher.keys import LocalKeyring, encrypt
from publisher.release import Change
from publisher.risk.steps import Steps

DATA_KEY, PSEUDONYM_KEY = bytes(range(32)), bytes(range(32, 64))
COMMITTED_AT = datetime(2026, 11, 24, 4, 5, 59, 999_999, tzinfo=UTC)
SEQ = 281_474_976_711_698


class AsItIs(Steps):
    """As if at least k people had each combination of a k-group."""

    def step(self, group: KGroup, digest: bytes) -> int:
        return 0


def keyring() -> LocalKeyring:
    return LocalKeyring(DATA_KEY, PSEUDONYM_KEY)


def sealed(text: str) -> str:
    """As `to_jsonb` writes a bytea."""
    return "\\x" + encrypt(DATA_KEY, text).hex()


def rows() -> dict[str, dict[str, Any]]:
    return {
        "customers": {
            "id": 7, "full_name": sealed("Jane Doe"), "email": sealed("jane@example.test"), "phone": None, "address": sealed("  "),
            "date_of_birth": sealed("1984-02-03"), "postcode": sealed("SW1A 1AA"), "status": "active", "preferred_channel": "sms",
            "marketing_consent": False, "created_at": "2026-11-24T23:30:00.123456-02:00", "updated_at": "2026-11-24T04:05:06+00:00",
        },
        "creditors": {
            "id": 3, "code": "C001", "name": "Bank", "sector": "bank", "contact_email": sealed("a@b.test"), "created_at": "2026-02-28T00:00:00+00:00",
        },
        "debts": {
            "id": 11, "customer_id": 7, "creditor_id": 3, "account_reference": sealed("X"), "product": "loan", "principal_pence": 100_000,
            "balance_pence": 12_345, "status": "open", "placed_on": "2026-01-02", "closed_on": None, "updated_at": "2026-11-24T04:05:06+00:00",
        },
        "plans": {
            "id": 13, "debt_id": 11, "status": "active", "frequency": "monthly", "instalment_pence": 2_550, "instalments": 12,
            "monthly_income": sealed("123456"), "notes": None, "started_on": "2026-02-01", "ended_on": None, "updated_at": "2026-11-24T04:05:06+00:00",
        },
        "payments": {
            "id": 17, "plan_id": 13, "amount_pence": 2_549, "method": "card", "status": "failed", "failure_reason": "card_declined",
            "bank_account": sealed("12345678"), "due_on": "2026-03-01", "paid_on": None, "created_at": "2026-11-24T04:05:06+00:00",
        },
        "messages": {
            "id": 19, "customer_id": 7, "direction": "inbound", "channel": "email", "template": None, "body": sealed("hello"),
            "in_reply_to": None, "status": None, "sent_at": "2026-11-24T04:05:06+00:00",
        },
        "circumstances": {
            "id": 23, "customer_id": 7, "kind": "bereavement", "severity": "low", "note": sealed("a note"), "recorded_on": "2026-03-31", "lifted_on": None,
        },
    }  # fmt: skip


def change(entity: str, op: str = "update", row: dict[str, Any] | None = None, **changes: Any) -> Change:
    """A change of a good row, or of the row given."""
    held = rows()[entity] if row is None else row
    known = {
        "seq": SEQ,
        "committed_at": COMMITTED_AT,
        "key": str(held.get("id", 1)),
        "subject": None if entity == "creditors" else "7",
    }
    return Change(**{"entity": entity, "op": op, "row": held, **known, **changes})

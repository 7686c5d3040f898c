"""A platform's application in miniature: valid rows for every table, and a look at the outbox.

Belongs here: writing rows and reading the outbox for tests. Not here: fixtures, assertions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from publisher.keys import encrypt

DATA_KEY = bytes(range(32))
PSEUDONYM_KEY = bytes(range(32, 64))


def secret(text: str) -> bytes:
    """As the application encrypts a field."""
    return encrypt(DATA_KEY, text)


@dataclass(frozen=True)
class Captured:
    """A row of the outbox."""

    seq: int
    entity: str
    op: str
    key: str
    subject: str | None
    row: dict[str, Any] | None


class Platform:
    """Writes through one connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._count = 0

    def sql(self, text: str, *params: Any) -> list[tuple[Any, ...]]:
        """Runs a statement; returns its rows, if it has any."""
        cursor = self.connection.execute(text, params or None)
        return cursor.fetchall() if cursor.description else []

    def insert(self, table: str, **values: Any) -> int:
        """One row by plain INSERT; returns its id."""
        columns, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        return int(self.sql(f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING id", *values.values())[0][0])

    def customer(self, **values: Any) -> int:
        """A customer who is valid under the contract."""
        return self.insert("customers", **{**CUSTOMER, **values})

    def creditor(self, **values: Any) -> int:
        self._count += 1
        base = {
            "code": f"C{self._count:03}",
            "name": "Bank",
            "sector": "bank",
            "contact_email": secret("desk@bank.example"),
            "created_at": NOW,
        }
        return self.insert("creditors", **{**base, **values})

    def debt(self, customer: int, creditor: int, **values: Any) -> int:
        base = {
            "customer_id": customer, "creditor_id": creditor, "account_reference": secret("ACC-1"), "product": "loan",
            "principal_pence": 250_000, "balance_pence": 200_000, "status": "open", "placed_on": "2026-01-02", "updated_at": NOW,
        }  # fmt: skip
        return self.insert("debts", **{**base, **values})

    def plan(self, debt: int, **values: Any) -> int:
        base = {
            "debt_id": debt, "status": "active", "frequency": "monthly", "instalment_pence": 5_000, "instalments": 12,
            "monthly_income": secret("140000"), "started_on": "2026-02-01", "updated_at": NOW,
        }  # fmt: skip
        return self.insert("plans", **{**base, **values})

    def outbox(self, entity: str | None = None) -> list[Captured]:
        """What waits, in order of seq."""
        rows = self.sql("SELECT seq, entity, op, key, subject, row::text FROM publisher.outbox ORDER BY seq")
        captured = [Captured(*row[:5], json.loads(row[5]) if row[5] else None) for row in rows]
        return [c for c in captured if entity is None or c.entity == entity]

    def clear(self) -> None:
        """Forgets what set-up wrote."""
        self.sql("DELETE FROM publisher.outbox")


NOW = "2026-03-01T10:20:30Z"
CUSTOMER: Mapping[str, Any] = {
    "full_name": secret("Ada Example"), "email": secret("ada@example.org"), "date_of_birth": secret("1984-05-06"),
    "postcode": secret("SW1A 1AA"), "status": "active", "preferred_channel": "email", "marketing_consent": True,
    "created_at": NOW, "updated_at": NOW,
}  # fmt: skip


def last_per_key(rows: list[Captured]) -> dict[str, Captured]:
    return {row.key: row for row in rows}


def ops(rows: list[Captured]) -> list[tuple[str, str]]:
    return [(row.op, row.key) for row in rows]

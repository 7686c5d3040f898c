"""A platform's application that writes at random: valid rows, deleted and used again keys, changed keys, long transactions.

Belongs here: one writer's acts. Not here: when they happen (machine.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from tests.integration.publisher.platform import Platform, secret

ACTS = ("insert", "update", "delete", "again", "rekey", "bulk")
REFUSED = (psycopg.errors.IntegrityError, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
AREAS = ("SW1A 1AA", "M1 1AE", "LS1 4AP")


class Writer:
    """One session. `numbers` are shared by all writers, so that no two make the same key. What the database refuses is rolled back."""

    def __init__(self, url: str, numbers: Iterator[int]) -> None:
        self.platform = Platform(psycopg.connect(url, autocommit=True))
        self.platform.sql("SET lock_timeout = '30ms'")  # one thread takes all steps: who waits for another writer waits in vain
        self._numbers = numbers

    @property
    def idle(self) -> bool:
        """Whether no transaction is open."""
        return self.platform.connection.info.transaction_status == TransactionStatus.IDLE

    def transaction(self, *, commit: bool) -> None:
        """Begins one, or ends the one that is open."""
        self.platform.sql("BEGIN" if self.idle else "COMMIT" if commit else "ROLLBACK")

    def close(self) -> None:
        self.platform.connection.close()

    def attempt(self, text: str, *params: Any) -> None:
        try:
            self.platform.sql(text, *params)
        except REFUSED:
            self.platform.connection.execute("ROLLBACK")

    def write(self, act: str, table: str, which: int) -> None:
        """One act on a table, on the `which`-th of its rows, or on all of them."""
        try:
            self._write(act, table, which)
        except REFUSED:
            self.platform.connection.execute("ROLLBACK")

    def _write(self, act: str, table: str, which: int) -> None:
        sql = self.platform.sql
        ids = [row[0] for row in sql(f"SELECT id FROM {table} ORDER BY id")]
        chosen = ids[which % len(ids)] if ids else None
        if act == "insert" or chosen is None:
            self._insert(table)
        elif act == "update":
            sql(f"UPDATE {table} SET {self._set(table)} WHERE id = %s", chosen)
        elif act == "bulk":
            sql(f"UPDATE {table} SET {self._set(table)}")
        elif act == "delete":
            sql(f"DELETE FROM {table} WHERE id = %s", chosen)
        elif act == "again":  # a key is deleted, and another row gets it, in one transaction or in two
            sql(f"DELETE FROM {table} WHERE id = %s", chosen)
            self._insert(table, id=chosen)
        else:
            sql(f"UPDATE {table} SET id = %s WHERE id = %s", 1_000 + next(self._numbers), chosen)

    def _insert(self, table: str, **values: Any) -> None:
        number = next(self._numbers)
        values.setdefault("id", 10_000 + number)
        if table == "customers":
            self.platform.customer(postcode=secret(AREAS[number % len(AREAS)]), **values)
        elif table == "creditors":
            self.platform.creditor(code=f"C{number % 1000:03}", **values)
        else:
            of = [self.platform.sql(f"SELECT min(id) FROM {each}")[0][0] for each in ("customers", "creditors")]
            if None not in of:
                self.platform.debt(*of, **values)

    def _set(self, table: str) -> str:
        number = next(self._numbers)
        return {
            "creditors": f"sector = '{('bank', 'card', 'retail')[number % 3]}'",
            "customers": f"status = '{('active', 'closed')[number % 2]}', marketing_consent = NOT marketing_consent",
            "debts": f"balance_pence = {100_000 + number * 1_000}",
        }[table]

"""What capture costs the platform's writers: small transactions, bulk updates, inserts and COPY, with and without triggers, in turn."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from benchmarks.publisher.site import INSERT, UPDATE, VALUES, databases
from demo.cloud.postgres import Postgres

ROUNDS = 5
PGBENCH_SECONDS = 5
BULK_ROWS = 100_000
THREE_STATEMENTS = """\\set id random(1, 1000)
BEGIN;
SELECT status FROM customers WHERE id = :id;
UPDATE customers SET marketing_consent = NOT marketing_consent, updated_at = now() WHERE id = :id;
SELECT count(*) FROM debts WHERE customer_id = :id;
END;
"""
COPIED = "full_name, date_of_birth, postcode, status, preferred_channel, marketing_consent"


def main() -> None:
    with databases() as (server, plain, captured), tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "three.sql"
        script.write_text(THREE_STATEMENTS)
        cases: dict[str, Callable[[str], float]] = {
            "transaction of three statements, /s": lambda url: _pgbench(server, url, script),
            f"update of {BULK_ROWS:,} rows, rows/s": lambda url: _bulk(url, UPDATE),
            f"insert of {BULK_ROWS:,} rows, rows/s": lambda url: _bulk(url, INSERT),
            f"COPY of {BULK_ROWS:,} rows, rows/s": _copy,
        }
        print(f"{'':42}{'plain':>10}{'captured':>10}{'ratio':>8}")
        for name, measure in cases.items():
            rates: dict[str, list[float]] = {plain: [], captured: []}
            for turn in range(ROUNDS):  # in turn, and in turns, so that a drift of the machine meets both
                for url in (plain, captured) if turn % 2 else (captured, plain):
                    rates[url].append(measure(url))
            ratio = statistics.median(c / p for p, c in zip(rates[plain], rates[captured], strict=True))
            print(
                f"{name:42}{statistics.median(rates[plain]):>10,.0f}{statistics.median(rates[captured]):>10,.0f}{ratio:>8.2f}",
                flush=True,
            )


def _fresh(connection: psycopg.Connection, rows: int) -> None:
    connection.execute("TRUNCATE customers RESTART IDENTITY CASCADE")
    if connection.execute("SELECT to_regclass('publisher.outbox')").fetchone() != (None,):
        connection.execute("TRUNCATE publisher.outbox")
    if rows:
        connection.execute(INSERT, {**VALUES, "rows": rows})
    connection.execute("CHECKPOINT")


def _pgbench(server: Postgres, url: str, script: Path) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        _fresh(connection, 1_000)
    command = [server.binary("pgbench"), "-n", "-c", "2", "-T", str(PGBENCH_SECONDS), "-f", script, url]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    return float(re.search(r"tps = ([0-9.]+)", done.stdout).group(1))  # type: ignore[union-attr]


def _bulk(url: str, statement: str) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        _fresh(connection, BULK_ROWS if statement is UPDATE else 0)
        began = time.perf_counter()
        connection.execute(statement, {**VALUES, "rows": BULK_ROWS})
        return BULK_ROWS / (time.perf_counter() - began)


def _copy(url: str) -> float:
    hexed = {name: "\\\\x" + value.hex() for name, value in VALUES.items()}
    line = "\t".join((hexed["text"], hexed["born"], hexed["postcode"], "active", "email", "t")) + "\n"
    data = (line * 1_000).encode()
    with psycopg.connect(url, autocommit=True) as connection:
        _fresh(connection, 0)
        began = time.perf_counter()
        with connection.cursor().copy(f"COPY customers ({COPIED}) FROM STDIN") as copy:
            for _ in range(BULK_ROWS // 1_000):
                copy.write(data)
        return BULK_ROWS / (time.perf_counter() - began)

"""`make bench`: the publisher's costs on this machine, measured in one run.

Belongs here: what is measured so far: a writer with and without capture, and the relay from a backlog with a stream in memory. Not here: the leak
scan's speed (`python -m demo.leakscan.benchmark`).
"""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path

import psycopg

from demo.cloud.postgres import Postgres
from demo.platform import migrate
from demo.processes import temporary_folder
from publisher.capture import install
from publisher.contracts import load_contracts
from publisher.database import connect
from publisher.keys import LocalKeyring, encrypt
from publisher.relay import Relay, Until, load_release_set
from publisher.sinks import MemorySink

CONTRACTS = Path(__file__).parent.parent / "contracts"
DATA_KEY, PSEUDONYM_KEY = b"d" * 32, b"p" * 32
ROWS, ROUNDS = 20_000, 5
INSERT = (
    "INSERT INTO customers (full_name, email, phone, date_of_birth, address, postcode, status, preferred_channel, marketing_consent) "
    "SELECT %(text)s, %(text)s, %(text)s, %(born)s, %(text)s, %(postcode)s, 'active', 'email', true FROM generate_series(1, %(rows)s)"
)
UPDATE = "UPDATE customers SET marketing_consent = NOT marketing_consent"


def main() -> None:
    values = {
        "text": encrypt(DATA_KEY, "x" * 20),
        "born": encrypt(DATA_KEY, "1980-02-03"),
        "postcode": encrypt(DATA_KEY, "SW1A 1AA"),
        "rows": ROWS,
    }
    with Postgres.start(temporary_folder("bench-postgres")) as server:
        plain, captured = server.create_database("plain"), server.create_database("captured")
        for url in (plain, captured):
            migrate(url)
        with connect(captured, "bench") as connection:
            install(connection, load_contracts(CONTRACTS))
        print(f"{'':34}{'plain':>10}{'captured':>10}{'ratio':>8}")
        for name, statement in ((f"insert of {ROWS:,} rows, rows/s", INSERT), (f"update of {ROWS:,} rows, rows/s", UPDATE)):
            rates: dict[str, list[float]] = {plain: [], captured: []}
            for _ in range(ROUNDS):  # in turn, so that a drift of the machine meets both
                for url in (plain, captured):
                    rates[url].append(_rate(url, statement, values))
            ratio = statistics.median(c / p for p, c in zip(rates[plain], rates[captured], strict=True))
            print(f"{name:34}{statistics.median(rates[plain]):>10,.0f}{statistics.median(rates[captured]):>10,.0f}{ratio:>8.2f}")
        print(f"{'relay, events/s, stream in memory':34}{_relay(captured):>10,.0f}")


def _rate(url: str, statement: str, values: dict[str, bytes | int]) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE customers CASCADE")
        if statement is UPDATE:
            connection.execute(INSERT, values)
        began = time.perf_counter()
        connection.execute(statement, values)
        return ROWS / (time.perf_counter() - began)


def _relay(url: str) -> float:
    """All that the rounds above left in the outbox: decrypted, derived, released, packed, acknowledged."""
    with connect(url, "bench-relay") as connection:
        keyring = LocalKeyring(DATA_KEY, PSEUDONYM_KEY)
        relay = Relay(connection, load_release_set(CONTRACTS, keyring), MemorySink(), stop=threading.Event())
        began = time.perf_counter()
        summary = relay.run(Until.SENT)
        return summary.events / (time.perf_counter() - began)


if __name__ == "__main__":
    main()

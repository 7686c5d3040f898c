"""A table's rows sent once more while the platform writes: how long it takes, and what its writers feel of it."""

from __future__ import annotations

import json
import os
import random
import statistics
import threading
import time

import psycopg

from benchmarks.publisher.site import CONTRACTS, INSERT, VALUES, databases, relay, stream
from publisher.backfill import MOST_WAITING, backfill
from publisher.contracts import load_contracts
from publisher.database import connect

ROWS = int(os.environ.get("BENCH_BACKFILL", "1000000"))
WRITES_A_SECOND = 200
ALONE_SECONDS = 10


class Writer(threading.Thread):
    """Updates of one row each, at random, evenly; how long each took, in milliseconds."""

    def __init__(self, url: str) -> None:
        super().__init__(name="writer", daemon=True)
        self._url = url
        self.took: list[float] = []
        self.over = threading.Event()

    def run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            began = time.perf_counter()
            while not self.over.wait(max(0.0, began + len(self.took) / WRITES_A_SECOND - time.perf_counter())):
                before = time.perf_counter()
                connection.execute(
                    "UPDATE customers SET marketing_consent = NOT marketing_consent WHERE id = %s",
                    [random.randint(1, ROWS)],
                )
                self.took.append(1000 * (time.perf_counter() - before))


def main() -> None:
    with databases() as (_, _, captured), stream() as to:
        _fill(captured)
        with relay(captured, to.url, "stay") as process:
            writer = Writer(captured)
            writer.start()
            time.sleep(ALONE_SECONDS)
            alone = len(writer.took)
            began = time.perf_counter()
            with connect(captured, "backfill") as connection:
                backfill(connection, load_contracts(CONTRACTS), "customers")
            numbered = time.perf_counter() - began
            writer.over.set()
            writer.join()
            _wait_until_sent(captured)
            sent = time.perf_counter() - began
            process.terminate()
            assert process.stdout is not None
            done = json.loads(process.stdout.read())
    wanted = ROWS + len(writer.took)
    assert done["events"] == wanted, f"{done['events']:,} events were sent of {wanted:,}"
    print(
        f"{'backfill beside live writes':34}{'rows/s':>10}{'sent after s':>14}{'relay MiB':>11}{'writes/s':>10}{'p50 ms':>9}{'p99 ms':>9}"
    )
    print(f"{'before it':34}{'':>10}{'':>14}{'':>11}{_writes(writer.took[:alone], ALONE_SECONDS)}")
    print(
        f"{f'{ROWS:,} rows':34}{ROWS / numbered:>10,.0f}{sent:>14,.0f}{done['mib']:>11,.0f}{_writes(writer.took[alone:], numbered)}"
    )
    print(
        f"p50 and p99: how long a writer's transaction takes. The backfill pauses while {MOST_WAITING:,} rows wait for the relay."
    )


def _fill(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(INSERT, {**VALUES, "rows": ROWS})
        connection.execute("DELETE FROM publisher.outbox")  # as if the rows had been there before the triggers
        connection.execute("VACUUM (ANALYZE) customers")


def _wait_until_sent(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute("SELECT EXISTS (SELECT FROM publisher.outbox)").fetchone() != (False,):
            time.sleep(0.1)


def _writes(took: list[float], seconds: float) -> str:
    ordered = sorted(took)
    return f"{len(took) / seconds:>10,.0f}{statistics.median(ordered):>9.1f}{ordered[int(len(ordered) * 0.99)]:>9.1f}"


if __name__ == "__main__":
    main()

"""How late an event is at 500 events a second: from the writer's commit until the stream has the record.

The stream's clock and the writer's are one machine's. An event is found by its pseudonym.
"""

from __future__ import annotations

import json
import statistics
import time

import psycopg

from benchmarks.publisher.site import DATA_KEY, INSERT, PSEUDONYM_KEY, VALUES, databases, relay, stream
from publisher.keys import LocalKeyring

RATE, SECONDS = 500, 20
WARM_SECONDS = 3


def main() -> None:
    with databases() as (_, _, captured), stream(keep=True) as to, relay(captured, to.url, "stay") as process:
        time.sleep(WARM_SECONDS)
        committed = _write(captured)
        time.sleep(2)
        process.terminate()
        assert process.stdout is not None
        done = json.loads(process.stdout.read())
        keyring = LocalKeyring(DATA_KEY, PSEUDONYM_KEY)
        at = {keyring.pseudonym("customer", str(key)): when for key, when in committed.items()}
        late = []
        for came, lines in to.told()["lines"]:
            for event in map(json.loads, lines):
                if event["entity"] == "customers":
                    late.append(1000 * (came - at.pop(event["key"])))
    late.sort()
    print(f"{'commit → in the stream':34}{'events':>8}{'p50 ms':>10}{'p99 ms':>10}{'most ms':>10}{'MiB':>8}{'CPU':>7}")
    p99 = late[int(len(late) * 0.99)]
    share = done["cpu"] / done["seconds"]
    print(
        f"{f'{RATE} events/s for {SECONDS} s':34}{len(late):>8,}{statistics.median(late):>10.1f}{p99:>10.1f}{late[-1]:>10.1f}{done['mib']:>8,.0f}{share:>7.0%}"
    )
    assert not at, "events were lost"


def _write(url: str) -> dict[int, float]:
    """One row a transaction, evenly; when each was committed, by its key."""
    committed: dict[int, float] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        began = time.perf_counter()
        for number in range(RATE * SECONDS):
            pause = began + number / RATE - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            row = connection.execute(INSERT + " RETURNING id", {**VALUES, "rows": 1}).fetchone()
            assert row is not None
            committed[row[0]] = time.time()
    return committed

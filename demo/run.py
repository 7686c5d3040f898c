"""`make demo`: the whole path once, bounded, with an account of every event at its end.

Belongs here: the order of the phases. Not here: the processes (stack.py), the account (account.py), the search for leaks (leakscan/).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.account import Account, Lake, take_account
from demo.console import Console
from demo.dagster_runs import DagsterRuns
from demo.errors import DemoError
from demo.lake_keys import KeySearch
from demo.leakscan import scan_demo
from demo.platform.traffic import Traffic
from demo.platform.traffic.needles import plain_values
from demo.processes import Supervisor
from demo.stack import NEVER, STATE, Stack

REPORT = STATE / "demo.json"
TRAFFIC_SECONDS = 30.0
INGEST_DEADLINE_SECONDS = 240.0


def run_once(rows: int, seed: int) -> int:
    """Runs the demo; 0 when every write is accounted for and nothing leaked, else 1. Writes `.lake/demo.json`."""
    console = Console()
    console.say("Pushlake: from a row in the platform to gold.\n")
    with Supervisor(STATE / "run" / "logs") as supervisor:
        stack = Stack.prepare(supervisor, "run")
        with _memory(stack):
            account = _run(console, stack, rows, seed)
    report = {**account.report(), "seconds": console.seconds, "peak_mib": stack.peak_bytes >> 20}
    REPORT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    console.say(account.text(console.elapsed, stack.peak_bytes))
    console.say(_next(stack))
    return 0 if account.complete else 1


def _run(console: Console, stack: Stack, rows: int, seed: int) -> Account:
    with console.phase("platform", "start PostgreSQL and the local cloud; migrate; write the capture triggers"):
        stack.start_platform()
        spark = stack.start_spark()
    with console.phase("spark", "start the Spark server, and Dagster's code location"):
        stack.start_code_location(cadence=NEVER)
        stack.wait_spark(spark)
    with Lake(stack.env) as lake:
        return _through(console, stack, lake, rows, seed)


def _through(console: Console, stack: Stack, lake: Lake, rows: int, seed: int) -> Account:
    with console.phase("tables", "make the lake's tables"):
        lake.prepare()
    with console.phase("dagster", "start Dagster's daemon with its sensors, the publisher and the Firehose"):
        stack.start_dagster()
        runs = DagsterRuns(stack.env, stack.workspace)
        runs.wait_for_sensor("landed", 60)
        stack.start_publisher()
    with console.phase("traffic", f"run the business: {rows:,} committed row writes, in every way an application writes"):
        traffic = Traffic(stack.env["PLATFORM_DATABASE_URL"], stack.data_key, seed)
        traffic.seed_creditors()
        traffic.plant_canaries(lake.contracts)
        traffic.run(rows, TRAFFIC_SECONDS, lambda p: console.progress(f"{p.rows:,} of {p.of:,} rows"))
        stack.supervisor.raise_if_ended()
        stack.save_watch("busy")
    with console.phase("risk", "count who shares what with whom, and coarsen what too few share"):
        stack.publisher("risk")
    with console.phase("drain", "digest what the tables say; send what waits, with the manifests that account for it"):
        stack.publisher("digest")
        stack.publisher("manifest")
        stack.save_watch("drained")
        stack.stop_relay()  # or a manifest of nothing every few seconds would keep the lake busy
    with console.phase("ingest", "raw → bronze → silver: wait until the lake has it all"):
        _wait_for_events(console, stack, lake, runs)
    with console.phase("refresh", "history, completeness and gold"):
        in_run: list[KeySearch] = []
        runs.refresh(console.progress, lambda pid: in_run.append(stack.search_run_for_keys(pid)))
    with console.phase("pages", "write the two pages: what leaves, and where each figure comes from"):
        stack.write_pages()
    with console.phase("account", "account for every event"):
        account = take_account(stack, lake, traffic, len(runs.finished("ingest")))
    with console.phase("keys", "search the memory of the lake's processes for the platform's keys"):
        # A run's process ends with the run: it was searched then. Where it was not, nothing is proven.
        account.keys = sum(in_run or [KeySearch()], stack.search_lake_for_keys())
    with console.phase("leaks", "search everything that left for the platform's plain values"):
        needles = plain_values(stack.env["PLATFORM_DATABASE_URL"], stack.data_key, lake.contracts)
        account.leaks = scan_demo(
            stack.env,
            needles,
            run_folder=stack.folder,
            progress=lambda place, done, of: console.progress(f"{place} {done:,}/{of:,}"),
        )
    return account


def _wait_for_events(console: Console, stack: Stack, lake: Lake, runs: DagsterRuns) -> None:
    """Until bronze has as many different events as the publisher says it sent, and every batch is in silver.

    Raises DemoError, with where the events are, when that does not come about.
    """
    began = time.monotonic()
    expected, found = stack.released(), 0
    while True:
        stack.supervisor.raise_if_ended()
        # While a run is under way its work is not disturbed by counting.
        if not runs.active("ingest"):
            found = lake.distinct_events()
            if found >= expected and not lake.pending():
                return
            console.progress(f"{found:,} of {expected:,} events")
        if time.monotonic() - began > INGEST_DEADLINE_SECONDS:
            said = runs.last_failure() or "no run of Dagster failed"
            raise DemoError(f"The lake has {found:,} of {expected:,} events after {INGEST_DEADLINE_SECONDS:.0f} s; {said}.")
        time.sleep(1.0)


@contextmanager
def _memory(stack: Stack) -> Iterator[None]:
    """Samples the memory of all processes every two seconds."""
    over = threading.Event()

    def sample() -> None:
        while not over.wait(2.0):
            stack.sample_memory()

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)


def _next(stack: Stack) -> str:
    pages: Path = stack.pages
    return f"""
What to open next
  what leaves the platform, for a data-protection officer   {pages / "release.html"}
  one figure's way back to its source column                {pages / "lineage.html"}#gold/contactability.share_with_email
  the live graph, with traffic and the Dagster UI           make dev
"""

"""`make dev`: everything keeps running, with live traffic, the Dagster UI and the pages, until Ctrl-C.

Belongs here: what a developer gets and where. Not here: the processes (stack.py).
"""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

from demo.account import Lake
from demo.console import Console
from demo.platform.traffic import Traffic
from demo.processes import Supervisor, require_free_port
from demo.stack import STATE, Stack, port_of
from publisher.contracts import load_contracts
from resources.ports import LOOPBACK
from resources.settings import cadence

CADENCE = "* * * * *"
UI_PORT, PAGES_PORT = 3000, 3001
FIRST_ROWS = 4_000
LOOK_SECONDS = 2.0
LOOK_AT_ALL_SECONDS = 600.0
"""How often the platform counts its k-groups, and digests what its tables say."""

SHOWN = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "PLATFORM_DATABASE_URL")


def keep_running(rows_per_second: float, seed: int) -> int:
    """Starts it all and returns 0 after Ctrl-C or SIGTERM. Raises DemoError when a process ends by itself."""
    ui = require_free_port(port_of("DAGSTER_PORT") or UI_PORT, "the Dagster UI", "DAGSTER_PORT")
    pages = require_free_port(port_of("PAGES_PORT") or PAGES_PORT, "the pages", "PAGES_PORT")
    cron = cadence(CADENCE)
    console, over = Console(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with Supervisor(STATE / "dev" / "logs") as supervisor:
        stack = Stack.prepare(supervisor, "dev")
        with console.phase("platform", "start PostgreSQL and the local cloud; migrate; write the capture triggers"):
            stack.start_platform()
            spark = stack.start_spark()
            stack.write_pages()
            stack.start_pages(pages)
        with console.phase("spark", "start the warm Spark server and make the lake's tables"):
            stack.start_code_location(cadence=cron)
            stack.wait_spark(spark)
            with Lake(stack.env) as lake:
                lake.prepare()
        with console.phase("dagster", "start Dagster with its UI"):
            stack.start_dagster(ui_port=ui)
            stack.start_publisher()
        with Traffic(stack.env["PLATFORM_DATABASE_URL"], stack.data_key, seed) as traffic:
            with console.phase("traffic", f"write the business's past: {FIRST_ROWS:,} rows"):
                traffic.seed_creditors()
                traffic.plant_canaries(load_contracts(Path(stack.env["CONTRACTS_DIR"])))
                traffic.run(FIRST_ROWS)
            console.say(_endpoints(stack, ui, rows_per_second))
            live = threading.Thread(target=traffic.live, args=(rows_per_second, over), daemon=True)
            live.start()
            looked = float("-inf")
            while not over.wait(LOOK_SECONDS):
                supervisor.raise_if_ended()
                if time.monotonic() - looked > LOOK_AT_ALL_SECONDS:
                    stack.publisher("risk")
                    stack.publisher("digest")
                    looked = time.monotonic()
            live.join(LOOK_SECONDS)
        console.say("\nStopping …")
    console.say("Stopped; nothing is left running.")
    return 0


def _endpoints(stack: Stack, ui: int, rows_per_second: float) -> str:
    exported = "\n".join(
        f"  export {name}={stack.env[name]}"
        for name in (
            *SHOWN,
            "LAKE_STREAM",
            "LANDING_URI",
            "LANDED_QUEUE_URL",
            "LAKE_URI",
            "SPARK_REMOTE",
            "CONTRACTS_DIR",
            "DAGSTER_HOME",
        )
    )
    return f"""
  Dagster, the graph filling           http://{LOOPBACK}:{ui}/asset-groups
  each figure's way to its source      {stack.env["PAGES_URL"]}/lineage.html
  what leaves the platform             {stack.env["PAGES_URL"]}/release.html
  logs                                 {stack.folder / "logs"}

The platform writes {rows_per_second:g} rows a second. For `publisher status` and your own tools, in another terminal:
{exported}

Ctrl-C stops all of it."""

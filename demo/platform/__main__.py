"""`python -m demo.platform migrate|seed|run|live`: the platform's commands.

Belongs here: arguments and output. Not here: what the commands do (migrations/, traffic/).
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from demo.errors import DemoError
from demo.platform.migrations import migrate
from demo.platform.settings import Settings
from demo.platform.traffic import Progress, Traffic
from publisher.errors import PublisherError

SEED = 20261124


def main(arguments: list[str] | None = None) -> int:
    parsed = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment(cloud=parsed.command != "migrate")
        if parsed.command == "migrate":
            migrate(settings.database_url)
            return 0
        with Traffic(settings.database_url, settings.data_key(), parsed.seed) as traffic:
            traffic.seed_creditors()
            traffic.plant_canaries(settings.contracts())
            if parsed.command == "run":
                traffic.run(parsed.rows, parsed.seconds, _print_progress())
            elif parsed.command == "live":
                traffic.live(parsed.rate, _stopped_by_signal())
            _report(traffic, parsed.report)
    except (DemoError, PublisherError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo.platform", description="The demo's platform.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the database's schema up to date")
    seed = commands.add_parser("seed", help="register the creditors and the first customers")
    run = commands.add_parser("run", help="write a history of the business, then end")
    run.add_argument("--rows", type=int, default=20_000, help="committed row writes (default: %(default)s)")
    run.add_argument("--seconds", type=float, help="spread them over this time (default: as fast as possible)")
    live = commands.add_parser("live", help="write today's business until stopped")
    live.add_argument("--rate", type=float, default=20.0, help="row writes a second (default: %(default)s)")
    for command in (seed, run, live):
        command.add_argument("--seed", type=int, default=SEED, help="of chance (default: %(default)s)")
        command.add_argument("--report", type=Path, help="write counts and the journal of commits to this JSON file")
    return parser


def _print_progress() -> Callable[[Progress], None]:
    printed = -1

    def show(progress: Progress) -> None:
        nonlocal printed
        tenth = 10 * progress.rows // progress.of
        if tenth > printed:
            printed = tenth
            print(f"{progress.rows:,} of {progress.of:,} rows written in {progress.seconds:.1f} s", flush=True)

    return show


def _stopped_by_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _report(traffic: Traffic, path: Path | None) -> None:
    stats = traffic.stats
    counts = {
        "rows_written": stats.rows_written,
        "by_table": stats.by_table,
        "by_way": stats.by_way,
        "transactions": stats.transactions,
        "transactions_rolled_back": stats.transactions_rolled_back,
        "rows_rolled_back": stats.rows_rolled_back,
    }
    print(json.dumps(counts))
    if path is not None:
        journal = [[entry.table, entry.id, entry.committed_at] for entry in traffic.journal]
        path.write_text(json.dumps({**counts, "journal": journal}))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m demo run` and `python -m demo dev`: what `make demo` and `make dev` call.

Belongs here: the command line, and how an error of ours becomes one sentence. Not here: what the commands do (run.py, dev.py).
"""

from __future__ import annotations

import argparse
import sys

from demo.errors import DemoError
from publisher.errors import PublisherError
from resources.errors import ResourceError

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description="The whole path on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="once, from the platform's rows to gold; accounts for every event and ends")
    run.add_argument("--rows", type=int, default=21_000, help="platform writes (default: %(default)s)")
    run.add_argument("--seed", type=int, default=20261124, help="of the people and their histories (default: %(default)s)")
    dev = commands.add_parser("dev", help="keeps running, with live traffic and the Dagster UI")
    dev.add_argument("--rows-per-second", type=float, default=20.0, help="of the live traffic (default: %(default)s)")
    dev.add_argument("--seed", type=int, default=20261124, help="of the people and their histories (default: %(default)s)")
    parsed = parser.parse_args(arguments)
    try:
        if parsed.command == "run":
            from demo.run import run_once

            return run_once(parsed.rows, parsed.seed)
        from demo.dev import keep_running

        return keep_running(parsed.rows_per_second, parsed.seed)
    except (DemoError, PublisherError, ResourceError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; nothing is left running.", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())

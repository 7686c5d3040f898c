"""`python -m lake_assets.replay rollback --to N --dry-run`: what a rollback would do; without `--dry-run` the job is run, as from the UI.

Belongs here: the command. Not here: the steps (`rollback.py`), the job (assets/replay.py).
"""

from __future__ import annotations

import argparse
import sys

from lake_assets.catalog import Catalog
from lake_assets.replay.plan import plan
from resources.delta_log import DeltaLogs
from resources.errors import ResourceError
from resources.lake import LakeResource
from resources.spark import SparkConnectResource


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lake_assets.replay", description="Goes back.")
    commands = parser.add_subparsers(dest="command", required=True)
    rollback = commands.add_parser("rollback", help="all tables together to a checkpoint")
    rollback.add_argument("--to", type=int, required=True, help="the number of the checkpoint, from ops/checkpoints")
    rollback.add_argument("--dry-run", action="store_true", help="only say what would be done")
    given = parser.parse_args(argv)
    try:
        if given.dry_run:
            return _look(given.to)
        from lake_assets.assets.replay import run_rollback  # Dagster's instance: a look needs none

        return 0 if run_rollback(given.to) else 1
    except ResourceError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _look(to: int) -> int:
    catalog = Catalog.load()
    with LakeResource(spark=SparkConnectResource()).tables(f"plan/{to}") as tables:
        planned = plan(tables, DeltaLogs(tables.lake_uri), list(catalog.contracts.values()), list(catalog.gold), to)
    sys.stdout.write(f"{planned.as_markdown()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

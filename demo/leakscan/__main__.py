"""`python -m demo.leakscan`: the command line. Belongs here: arguments and exit codes. Not here: the scan.

Exit codes: 0 nothing found, and all controls were; 1 a leak; 2 the scan proves nothing (a control was missed, a place could not be
read, a setting is missing).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from demo.cloud.provision import unwrap_data_key
from demo.errors import DemoError, SettingMissing
from demo.leakscan.errors import LeakScanError
from demo.leakscan.everything import scan_demo
from demo.leakscan.needles import Needles
from demo.leakscan.report import INCOMPLETE, ScanReport
from demo.leakscan.scan import scan
from demo.leakscan.sources import FilesSource
from demo.platform.traffic.needles import plain_values
from publisher.contracts import load_contracts

REQUIRED = {
    "AWS_ENDPOINT_URL": "the address of the local cloud",
    "AWS_ACCESS_KEY_ID": "the key with which to reach it",
    "AWS_SECRET_ACCESS_KEY": "that key's secret",
    "AWS_DEFAULT_REGION": "the region",
    "PLATFORM_DATABASE_URL": "the platform's database, from which the sensitive values are read",
    "LAKE_STREAM": "the name of the stream",
    "LANDING_URI": "the landing bucket, s3://landing",
    "LANDED_QUEUE_URL": "the address of the queue of landed objects",
    "LAKE_URI": "the lake's bucket, s3://lake",
    "CONTRACTS_DIR": "the folder of the contracts",
}


def main(arguments: list[str] | None = None) -> int:
    parsed = _parser().parse_args(arguments)
    try:
        report = _scan_folders(parsed) if parsed.folder else _scan_everything(parsed)
    except DemoError as error:
        print(error, file=sys.stderr)
        return INCOMPLETE
    except (BotoCoreError, ClientError, psycopg.Error) as error:
        print(f"The local cloud or the database did not answer ({type(error).__name__}): is the demo running?", file=sys.stderr)
        return INCOMPLETE
    for line in report.lines():
        print(line)
    if parsed.json:
        parsed.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return report.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo.leakscan", description=__doc__, formatter_class=_Raw)
    parser.add_argument("--run-folder", type=Path, default=Path(".lake/run"), help="the folder of the run (default: %(default)s)")
    parser.add_argument("--folder", type=Path, action="append", help="search only this folder; needs --needles; may be repeated")
    parser.add_argument(
        "--needles", help="a file of JSON lines [column, value], - for the standard input (default: the platform's)"
    )
    parser.add_argument("--processes", type=int, default=2, help="that read and search (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the whole report to this file")
    return parser


class _Raw(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


def _scan_folders(parsed: argparse.Namespace) -> ScanReport:
    if not parsed.needles:
        raise LeakScanError("--folder needs --needles: a file of JSON lines [column, value] that must not be found")
    for folder in parsed.folder:
        if not folder.is_dir():
            raise LeakScanError(f"--folder {folder} is no folder")
    sources = [FilesSource(str(folder), folder) for folder in parsed.folder]
    return scan(sources, Needles.of(_needles(parsed.needles)), processes=parsed.processes, progress=_tell)


def _scan_everything(parsed: argparse.Namespace) -> ScanReport:
    env = dict(os.environ)
    for name, meaning in REQUIRED.items():
        if not env.get(name):
            raise SettingMissing(name, meaning)
    if not parsed.run_folder.is_dir():
        raise LeakScanError(f"--run-folder {parsed.run_folder} is no folder: name the one in which the demo's processes write")
    values = _needles(parsed.needles) if parsed.needles else _platform_values(env)
    return scan_demo(env, values, run_folder=parsed.run_folder, progress=_tell, processes=parsed.processes)


def _platform_values(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return plain_values(env["PLATFORM_DATABASE_URL"], unwrap_data_key(env), load_contracts(Path(env["CONTRACTS_DIR"])))


def _needles(name: str) -> Iterator[tuple[str, str]]:
    """Raises LeakScanError with the line's number; never with the line."""
    with sys.stdin if name == "-" else Path(name).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                column, value = json.loads(line)
            except ValueError:
                raise LeakScanError(f"line {number} of the needles is not [column, value] in JSON") from None
            yield str(column), str(value)


def _tell(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{what}: {done:,} of {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""All that the demo lets out of the platform, as sources; and what the contracts make public.

Belongs here: which places there are, by the settings of design part 10 and the run's folder. Not here: reading them (sources/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

import psycopg
from psycopg import sql

from demo.leakscan.clients import only_aws
from demo.leakscan.needles import Needles
from demo.leakscan.report import ScanReport
from demo.leakscan.scan import Progress, scan
from demo.leakscan.sources import BucketSource, FilesSource, QueueSource, Source, StreamSource, TablesSource
from demo.platform.sensitive import sensitive_columns
from publisher.contracts import Contract, load_contracts

ROOT = Path(__file__).parents[2]
CODE = ("contracts", "demo", "lake_assets", "publisher", "resources")
TEXTS = {".py", ".sql", ".yaml", ".html", ".xml", ".properties", ".toml", ".mako"}
PUBLISHER_SCHEMA = "publisher"
POSTGRES = "postgres"
_BAND = re.compile(r"(\d{4})-(\d{4})")


def scan_demo(
    env: Mapping[str, str],
    needles: Iterable[tuple[str, str]],
    *,
    run_folder: Path,
    progress: Progress | None = None,
    processes: int = 2,
) -> ScanReport:
    """Searches all that left the demo's platform for `needles`, pairs of column and plain text.

    `env` has the settings of design part 10, `run_folder` the folders of the run's processes: all of it is searched but the
    database, of which only the log leaves the platform. Fails where nothing can be searched for of a column that the contracts hold back. `progress(what, done, total)` is called now and then.
    """
    database = env["PLATFORM_DATABASE_URL"]
    contracts = load_contracts(Path(env["CONTRACTS_DIR"]))
    released, required = released_dates(contracts, database), map(str, sensitive_columns(contracts))
    searched = Needles.of(needles, released=released, public=public_texts(ROOT), required=required)
    return scan(demo_sources(env, run_folder), searched, processes=processes, progress=progress)


def demo_sources(env: Mapping[str, str], run_folder: Path) -> list[Source]:
    """Every place outside of the platform, and the publisher's own tables inside of it."""
    aws, database = only_aws(env), env["PLATFORM_DATABASE_URL"]
    sources: list[Source] = [
        BucketSource("landing bucket", aws, _bucket(env["LANDING_URI"])),
        BucketSource("lake bucket", aws, _bucket(env["LAKE_URI"])),
        StreamSource("stream", aws, env["LAKE_STREAM"]),
        QueueSource("queue of landed objects", aws, env["LANDED_QUEUE_URL"]),
        TablesSource("publisher's tables", PUBLISHER_SCHEMA, database),
        FilesSource("PostgreSQL's log", _database_home(database), ("*.log", "data/log/*", "data/*.log")),
        FilesSource("files of the run", run_folder, ("*",)),
    ]
    folders = sorted(path for path in run_folder.iterdir() if path.is_dir() and path.name != POSTGRES)
    return sources + [FilesSource(f"{folder.name} files", folder) for folder in folders]


def public_texts(root: Path) -> Iterator[bytes]:
    """The contracts and the code: what stands in them is known without any customer."""
    for folder in CODE:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in TEXTS:
                yield path.read_bytes()


def released_dates(contracts: Mapping[str, Contract], database: str) -> frozenset[str]:
    """The ISO dates that the contracts let out: released columns' own, of their months, quarters and years, and band edges.

    A date of birth that equals one of them cannot be told from it.
    """
    dates = {date.today()}  # noqa: DTZ011 (the day on which the logs were written)
    with psycopg.connect(database) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        for contract in contracts.values():
            for field in contract.fields:
                column = contract.columns[field.derivation.column]
                if field.type == "date" and not column.encrypted:
                    dates |= _distinct_dates(connection, contract.table, column.name)
    months = {day.replace(day=1) for day in dates}
    quarters = {day.replace(month=1 + (day.month - 1) // 3 * 3) for day in months}
    years = {day.replace(month=1) for day in months}
    texts = {day.isoformat() for day in dates | months | quarters | years}
    return frozenset(texts | _band_edges(contracts))


def _distinct_dates(connection: psycopg.Connection[tuple[date]], table: str, column: str) -> set[date]:
    query = sql.SQL("SELECT DISTINCT {column}::date FROM {table} WHERE {column} IS NOT NULL")
    statement = query.format(column=sql.Identifier(column), table=sql.Identifier(table))
    return {day for (day,) in connection.execute(statement)}


def _band_edges(contracts: Mapping[str, Contract]) -> set[str]:
    """First and last days of bands of years: gold turns bands into ages by them."""
    edges: set[str] = set()
    for contract in contracts.values():
        for field in contract.fields:
            for value in field.domain.values or ():
                if band := _BAND.fullmatch(value):
                    edges |= {f"{band[1]}-01-01", f"{band[2]}-12-31"}
    return edges


def _database_home(database: str) -> Path:
    """The folder in which the demo's server keeps its log, beside its data."""
    with psycopg.connect(database) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    return Path(str(row[0])).parent if row else Path()


def _bucket(uri: str) -> str:
    return uri.split("://", 1)[-1].split("/", 1)[0]

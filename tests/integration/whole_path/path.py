"""The whole path on real parts, in one object: what it is made of, and its steps.

Belongs here: driving it, and what it should hold by the oracle. Not here: assertions, the fixture (conftest.py).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
from psycopg.rows import dict_row

from resources.tables import LakeTables
from tests.integration.oracle import SUBJECTS, Oracle

ROOT = Path(__file__).parents[3]


@dataclass
class WholePath:
    """What the tests of this package look at once everything has passed through."""

    env: dict[str, str]
    tables: LakeTables
    oracle: Oracle
    home: Path
    checkpoints: Path
    written: int = 0
    runs: list[dg.ExecuteInProcessResult] = field(default_factory=list)

    def command(self, *arguments: str | Path, **env: str) -> str:
        """Runs a module as an operator does; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", *map(str, arguments)],
            env={**self.env, **env}, cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def push(self, **env: str) -> None:
        """From the outbox to objects in S3; every seventh record arrives twice."""
        self.command("publisher.cli", "relay", "--drain", **env)
        self.command("demo.firehose", "--drain", "--duplicate-every", "7", "--checkpoints", self.checkpoints)

    def run_jobs(self, *names: str) -> None:
        """Runs Dagster's jobs, of the definitions as CONTRACTS_DIR says now."""
        with dagster_instance(self.home) as instance:
            repository = definitions()
            self.runs += [repository.get_job(name).execute_in_process(instance=instance) for name in names]

    def expected(self, entity: str) -> dict[str, dict[str, Any]]:
        """What silver should hold of an entity, by key: from the platform's rows, by the oracle."""
        database = self.env["PLATFORM_DATABASE_URL"]
        with psycopg.connect(database, row_factory=dict_row) as connection:
            rows = connection.execute(psycopg.sql.SQL("SELECT * FROM {}").format(psycopg.sql.Identifier(entity))).fetchall()
        with psycopg.connect(database) as connection:
            person = dict(connection.execute(SUBJECTS[entity]).fetchall())
        expected = {}
        for row in rows:
            record = self.oracle.record(entity, row)
            subject = self.oracle.code("customer", person[row["id"]])
            expected[record["id"]] = {**record, "_key": record["id"], "_subject": subject}
        return expected

    def silver(self, entity: str) -> Mapping[str, dict[str, Any]]:
        """Silver's rows, by key."""
        return {row["_key"]: row.asDict() for row in self.tables.read("silver", entity).collect()}


@contextmanager
def dagster_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in a folder."""
    home.mkdir(exist_ok=True)
    shutil.copy(ROOT / "dagster.yaml", home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def definitions() -> dg.RepositoryDefinition:
    """The code location, loaded anew."""
    from lake_assets.definitions import defs

    return defs.load_fn().get_repository_def()

"""The platform's schema and commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, create_engine

from demo.cloud.ministack import Emulator
from demo.cloud.provision import provision, unwrap_data_key
from demo.platform.__main__ import main
from demo.platform.crypto import Encrypted
from demo.platform.migrations import migrate, sqlalchemy_url
from demo.platform.models import Base
from demo.platform.traffic import plain_values
from publisher.contracts import load_contracts

ROOT = Path(__file__).parents[3]


def test_the_migrations_lead_to_the_models(platform_database: str) -> None:
    engine = create_engine(sqlalchemy_url(platform_database))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        checks = connection.exec_driver_sql(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        )
        found = sorted(name for (name,) in checks)
    engine.dispose()
    assert differences == []
    # Alembic does not compare check constraints.
    assert found == sorted(
        str(constraint.name)
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    )


def test_migrating_twice_and_from_each_revision_is_the_same(database: str, platform_database: str) -> None:
    for revision in ("0001", "0002", "head", "head"):
        migrate(database, revision)
    query = "SELECT table_schema, table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema IN ('public', 'demo') ORDER BY 1, 2, 3"
    schemas = []
    for url in (database, platform_database):
        with psycopg.connect(url) as connection:
            schemas.append(connection.execute(query).fetchall())
    assert schemas[0] == schemas[1]


def test_models_and_contracts_name_the_same_columns_and_the_same_are_encrypted() -> None:
    contracts = load_contracts(ROOT / "contracts")
    tables = {contract.table: contract for contract in contracts.values()}
    assert set(tables) == set(Base.metadata.tables)
    for name, contract in tables.items():
        columns = Base.metadata.tables[name].c
        assert set(contract.columns) == set(columns.keys()), name
        assert {key for key, column in contract.columns.items() if column.encrypted} == {
            column.name for column in columns if isinstance(column.type, Encrypted)
        }, name


@pytest.fixture
def environment(cloud: Emulator, prefix: str, database: str) -> dict[str, str]:
    return {**provision(cloud.environment(), prefix=prefix), "PLATFORM_DATABASE_URL": database}


def test_its_commands_migrate_seed_and_run(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    report = tmp_path / "report.json"
    assert main(["migrate"]) == 0
    assert main(["seed"]) == 0
    assert main(["run", "--rows", "800", "--report", str(report)]) == 0
    told = json.loads(report.read_text())
    assert told["rows_written"] == sum(told["by_table"].values()) == sum(told["by_way"].values()) >= 800
    assert told["journal"]
    output = capsys.readouterr().out
    leaked = [
        source
        for source, value in plain_values(
            environment["PLATFORM_DATABASE_URL"], unwrap_data_key(environment), load_contracts(ROOT / "contracts")
        )
        if value in output and len(value) > 7
    ]
    assert leaked == []


def test_live_writes_at_its_rate_until_it_is_asked_to_stop(environment: dict[str, str]) -> None:
    migrate(environment["PLATFORM_DATABASE_URL"])
    command = [sys.executable, "-m", "demo.platform", "live", "--rate", "40"]
    process = subprocess.Popen(command, env={**os.environ, **environment}, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with psycopg.connect(environment["PLATFORM_DATABASE_URL"], autocommit=True) as connection:
        deadline = time.monotonic() + 30
        while not connection.execute("SELECT count(*) FROM debts").fetchone()[0]:  # type: ignore[index]
            assert time.monotonic() < deadline
            time.sleep(0.1)
    time.sleep(4)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    # The first customers and their debts come at once; then forty rows a second.
    assert 60 < json.loads(output)["rows_written"] < 700


def test_a_missing_setting_gets_one_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATFORM_DATABASE_URL", raising=False)
    assert main(["migrate"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("PLATFORM_DATABASE_URL is not set")


def test_a_statement_that_fails_leaves_no_value_in_the_log(new_database: Callable[..., str], postgres) -> None:  # type: ignore[no-untyped-def]
    with psycopg.connect(new_database(), autocommit=True) as connection:
        connection.execute("CREATE TABLE t (name text UNIQUE)")
        connection.execute("INSERT INTO t VALUES ('canary-value')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO t VALUES ('canary-value')")
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            connection.execute("SELECT 'canary-value'::int")
    assert "canary-value" not in (postgres.folder / "postgres.log").read_text()

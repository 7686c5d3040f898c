"""A migration that breaks a contract fails in the platform's own tests, and capture can be a migration itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import create_engine, text

from demo.platform.migrations import sqlalchemy_url
from publisher.backfill import due
from publisher.capture import check_installation
from publisher.contracts import Contract
from publisher.database import connect
from publisher.errors import InstallError, SettingsError
from publisher.testing import assert_contracts_fit
from tests.integration.publisher.conftest import CONTRACTS
from tests.integration.publisher.migrating import Migrations
from tests.integration.publisher.platform import Platform

INSTALL = f"op.publisher_install({str(CONTRACTS)!r})"
Contracts = dict[str, Contract]


@pytest.fixture
def migrations(tmp_path: Path, platform_database: str) -> Migrations:
    return Migrations(tmp_path / "migrations", platform_database)


BREAKING = {
    "renames": (
        'op.alter_column("debts", "status", new_column_name="state")',
        "debts: debts has no column status, which a field reads. Migrate, or correct the contract (was it renamed to state?)",
    ),
    "drops": ('op.drop_column("debts", "placed_on")', "debts: debts has no column placed_on, which a field reads"),
    "retypes": (
        'op.execute("ALTER TABLE payments ALTER amount_pence TYPE numeric(12, 2)")',
        "payments: payments.amount_pence is numeric(12,2) in the database, and bigint in the contract",
    ),
    "adds": (
        'op.execute("ALTER TABLE customers ADD nickname text")',
        "customers: the column customers.nickname is neither released nor withheld",
    ),
}


@pytest.mark.parametrize("case", BREAKING)
def test_a_migration_that_breaks_a_contract_fails_the_platforms_test(migrations: Migrations, case: str) -> None:
    migration, sentence = BREAKING[case]
    assert_contracts_fit(migrations.url, CONTRACTS)
    migrations.add(migration)
    migrations.run()
    with pytest.raises(AssertionError) as raised:
        assert_contracts_fit(migrations.url, CONTRACTS)
    assert sentence in str(raised.value)
    assert "the database does not fit the release contracts:\n  " in str(raised.value)


@pytest.fixture(params=["psycopg", "psycopg with rows as dictionaries", "SQLAlchemy", "URL"])
def lent(request: pytest.FixtureRequest, platform_database: str) -> Iterator[object]:
    if request.param == "URL":
        yield platform_database
    elif request.param == "SQLAlchemy":
        engine = create_engine(sqlalchemy_url(platform_database))
        with engine.connect() as connection:
            yield connection
        engine.dispose()
    else:
        factory = {"row_factory": dict_row} if "dictionaries" in request.param else {}
        with psycopg.connect(platform_database, **factory) as session:
            yield session


def test_it_takes_the_session_that_the_platforms_tests_have(lent: object) -> None:
    assert_contracts_fit(lent, CONTRACTS)
    if isinstance(lent, psycopg.Connection):
        assert isinstance(lent.execute("SELECT 1 AS one").fetchone(), dict if lent.row_factory is dict_row else tuple)


def test_it_sees_what_the_session_has_not_committed(platform_database: str) -> None:
    """Tests usually roll back what they did: a check on another session would see none of it."""
    engine = create_engine(sqlalchemy_url(platform_database))
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE debts RENAME status TO state"))
        with pytest.raises(AssertionError, match="was it renamed to state"):
            assert_contracts_fit(connection, CONTRACTS)
        connection.rollback()
        assert_contracts_fit(connection, CONTRACTS)
    engine.dispose()


def test_a_session_of_another_driver_is_said() -> None:
    with pytest.raises(SettingsError, match=r"none of psycopg 3's"):
        assert_contracts_fit(object(), CONTRACTS)


def test_a_migration_installs_capture_and_takes_it_away_again(migrations: Migrations, contracts: Contracts) -> None:
    migrations.add(INSTALL, "op.publisher_uninstall()")
    migrations.run()
    with connect(migrations.url, "test") as session:
        platform = Platform(session)
        assert check_installation(session, contracts) == []
        platform.customer()
        assert len(platform.outbox()) == 1
        migrations.run("downgrade", "-1")
        platform.customer()
        assert len(platform.outbox()) == 1, "no longer captured, and nothing is lost that was"
        assert any("is missing" in str(finding) for finding in check_installation(session, contracts))
        migrations.run()
        assert check_installation(session, contracts) == []
        assert "customers" in due(session), "what was written meanwhile is missing"


def test_the_timeouts_of_the_migration_are_as_they_were(migrations: Migrations) -> None:
    seen = "op.execute(\"CREATE TABLE seen AS SELECT current_setting('lock_timeout') l, current_setting('statement_timeout') s\")"
    migrations.add(f"op.execute(\"SET LOCAL lock_timeout = '7s'\"); {INSTALL}; {seen}")
    migrations.run()
    with connect(migrations.url, "test") as session:
        assert session.execute("SELECT l, s FROM seen").fetchone() == ("7s", "0")


def test_the_outbox_is_not_dropped_while_something_waits(migrations: Migrations) -> None:
    migrations.add(INSTALL, "op.publisher_uninstall(drop_schema=True)")
    migrations.run()
    with connect(migrations.url, "test") as session:
        platform = Platform(session)
        platform.customer()
        with pytest.raises(InstallError, match="1 rows wait in the outbox"):
            migrations.run("downgrade", "-1")
        platform.customer()
        assert len(platform.outbox()) == 2, "still captured"
        platform.clear()
        migrations.run("downgrade", "-1")
        assert session.execute("SELECT to_regnamespace('publisher')").fetchone() == (None,)


def test_a_migration_that_cannot_be_captured_is_rolled_back_as_a_whole(migrations: Migrations) -> None:
    migrations.add(f'op.alter_column("debts", "status", new_column_name="state"); {INSTALL}')
    with pytest.raises(InstallError, match="debts has no column status"):
        migrations.run()
    assert_contracts_fit(migrations.url, CONTRACTS)
    with connect(migrations.url, "test") as session:
        assert session.execute("SELECT version_num FROM alembic_version").fetchone() == ("0003",)
        assert session.execute("SELECT to_regnamespace('publisher')").fetchone() == (None,)


def test_the_environment_installs_at_the_head_and_not_before(
    new_database: Callable[..., str], tmp_path: Path, contracts: Contracts
) -> None:
    migrations = Migrations(tmp_path / "migrations", new_database())
    migrations.install_at_head(CONTRACTS)
    migrations.run(revision="0002")
    with connect(migrations.url, "test") as session:
        assert session.execute("SELECT to_regnamespace('publisher')").fetchone() == (None,)
        migrations.run()
        assert check_installation(session, contracts) == []
        migrations.run()


def test_sql_that_is_only_printed_cannot_be_installed(migrations: Migrations) -> None:
    migrations.add(INSTALL)
    with pytest.raises(SettingsError, match="--sql"):
        migrations.run(sql=True, revision="0003:0099")


def test_a_released_column_must_not_go_before_capture_forgets_it_and_a_withheld_one_may(captured: str) -> None:
    """Why a column changes in steps: docs/platforms.md."""
    with psycopg.connect(captured, autocommit=True) as connection:
        platform = Platform(connection)
        creditor = platform.creditor()
        platform.sql("ALTER TABLE creditors DROP COLUMN contact_email")
        platform.sql("UPDATE creditors SET sector = 'card' WHERE id = %s", creditor)
        assert [row.op for row in platform.outbox()] == ["insert", "update"]
        platform.sql("ALTER TABLE creditors RENAME sector TO branch")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            platform.sql("UPDATE creditors SET branch = 'bank' WHERE id = %s", creditor)

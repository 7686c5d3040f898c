"""`install` refuses what would break the order of seq or let a column through unseen, and `--check` finds what was undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from publisher.capture import check_installation, install
from publisher.contracts import Contract
from publisher.database import Connection, connect
from publisher.errors import InstallError
from tests.integration.publisher.platform import Platform

Contracts = dict[str, Contract]


@pytest.fixture
def bare(platform_database: str) -> Iterator[Connection]:
    with connect(platform_database, "test") as connection:
        yield connection


@pytest.fixture
def session(captured: str) -> Iterator[Connection]:
    with connect(captured, "test") as connection:
        yield connection


def test_a_second_install_changes_nothing(session: Connection, contracts: Contracts) -> None:
    before = session.execute("SELECT oid, xmin::text FROM pg_trigger ORDER BY 1").fetchall()
    done = install(session, contracts)
    assert done.written == ()
    assert done.backfill_due == ()
    assert session.execute("SELECT oid, xmin::text FROM pg_trigger ORDER BY 1").fetchall() == before
    assert check_installation(session, contracts) == []


def test_rows_from_before_make_a_backfill_due(bare: Connection, contracts: Contracts) -> None:
    Platform(bare).customer()
    assert install(bare, contracts).backfill_due == ("customers",)


REFUSED = {
    "deferrable": (
        "ALTER TABLE circumstances DROP CONSTRAINT circumstances_pkey, ADD PRIMARY KEY (id) DEFERRABLE INITIALLY IMMEDIATE",
        "circumstances: the key circumstances.id is deferrable",
    ),
    "not unique": (
        "ALTER TABLE circumstances DROP CONSTRAINT circumstances_pkey",
        "the key circumstances.id is not unique by itself",
    ),
    "two columns": (
        "ALTER TABLE circumstances DROP CONSTRAINT circumstances_pkey, ADD PRIMARY KEY (id, customer_id)",
        "the key circumstances.id is not unique by itself",
    ),
    "partial": (
        "ALTER TABLE circumstances DROP CONSTRAINT circumstances_pkey; CREATE UNIQUE INDEX ON circumstances (id) WHERE id > 5",
        "the key circumstances.id is not unique by itself",
    ),
    "nullable": (
        (
            "ALTER TABLE circumstances DROP CONSTRAINT circumstances_pkey; ALTER TABLE circumstances ALTER id DROP IDENTITY IF EXISTS;"
            "ALTER TABLE circumstances ALTER id DROP NOT NULL; CREATE UNIQUE INDEX ON circumstances (id)"
        ),
        "the key circumstances.id may be null",
    ),
    "missing column": ("ALTER TABLE circumstances DROP COLUMN note", "circumstances has no column note, which a field reads"),
    "renamed column": (
        "ALTER TABLE circumstances RENAME note TO remark",
        r"no column note, which a field reads. Migrate, or correct the contract \(was it renamed to remark\?\)",
    ),
    "no way to the person": (
        "ALTER TABLE plans RENAME debt_id TO debt",
        "plans: the way to its person leads through plans.debt_id, which does not exist",
    ),
    "undeclared column": (
        "ALTER TABLE circumstances ADD COLUMN diagnosis text",
        "the column circumstances.diagnosis is neither released nor withheld",
    ),
    "plain text": (
        "ALTER TABLE circumstances ALTER note TYPE text USING ''",
        "circumstances.note is encrypted by contract, but not binary",
    ),
    "missing table": ("DROP TABLE circumstances", "public.circumstances does not exist"),
    "view": ("ALTER TABLE circumstances RENAME TO c; CREATE VIEW circumstances AS SELECT * FROM c", "is no table"),
    "sequence cache": (
        "CREATE SCHEMA publisher; CREATE SEQUENCE publisher.seq CACHE 20",
        "the sequence publisher.seq has CACHE 20",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_database_that_does_not_fit_is_refused_and_untouched(bare: Connection, contracts: Contracts, case: str) -> None:
    statement, message = REFUSED[case]
    bare.execute(statement)
    with pytest.raises(InstallError, match=message):
        install(bare, contracts)
    assert bare.execute("SELECT to_regclass('publisher.outbox')").fetchone() == (None,)
    assert any(re.search(message, str(finding)) for finding in check_installation(bare, contracts))


UNDONE = {
    "missing trigger": ("DROP TRIGGER publisher_update ON debts", "the trigger publisher_update is missing on debts"),
    "disabled": (
        "ALTER TABLE debts DISABLE TRIGGER ALL",
        "the trigger publisher_delete on debts is disabled or not ENABLE ALWAYS",
    ),
    "origin only": (
        "ALTER TABLE debts ENABLE TRIGGER publisher_insert",
        "publisher_insert on debts is disabled or not ENABLE ALWAYS",
    ),
    "row condition": (
        "CREATE OR REPLACE TRIGGER publisher_update AFTER UPDATE OF status ON debts FOR EACH STATEMENT EXECUTE FUNCTION publisher.capture_debts()",
        "the trigger publisher_update on debts was changed",
    ),
    "function": (
        "CREATE OR REPLACE FUNCTION publisher.capture_debts() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "its capture function is outdated or was changed",
    ),
    "sequence cache": ("ALTER SEQUENCE publisher.seq CACHE 5", "has CACHE 5"),
    "rewrite": (
        "ALTER TABLE debts ALTER balance_pence TYPE numeric USING balance_pence * 2",
        "debts was rewritten, which fires no trigger",
    ),
    "rewrite of the same type": (
        "ALTER TABLE debts ALTER balance_pence TYPE bigint USING balance_pence * 2",
        "debts was rewritten, which fires no trigger",
    ),
}


@pytest.mark.parametrize("case", UNDONE)
def test_check_finds_what_was_undone_and_install_mends_it(session: Connection, contracts: Contracts, case: str) -> None:
    statement, message = UNDONE[case]
    platform = Platform(session)
    platform.debt(platform.customer(), platform.creditor())
    session.execute(statement)
    found = [str(finding) for finding in check_installation(session, contracts)]
    assert any(message in finding for finding in found), found
    if "rewrit" in case:
        assert install(session, contracts).backfill_due == ("debts",)
    elif "cache" in case:
        with pytest.raises(InstallError, match=message):
            install(session, contracts)
    else:
        assert install(session, contracts).written == ("debts",)
        assert check_installation(session, contracts) == []


DRIFTED = {
    "another type": (
        "ALTER TABLE debts ALTER product TYPE varchar(40)",
        "debts: debts.product is character varying(40) in the database, and text in the contract. Correct physicalType",
    ),
    "a withheld column that is gone": (
        "ALTER TABLE customers DROP COLUMN updated_at",
        "customers: customers has no column updated_at, which is withheld. Remove it from the contract",
    ),
}


@pytest.mark.parametrize("case", DRIFTED)
def test_check_names_what_drifted_and_capture_goes_on(session: Connection, contracts: Contracts, case: str) -> None:
    statement, message = DRIFTED[case]
    session.execute(statement)
    assert any(message in str(finding) for finding in check_installation(session, contracts))
    install(session, contracts)


def test_a_type_is_known_by_any_of_its_names_and_its_length_is_no_drift(session: Connection, contracts: Contracts) -> None:
    debts = contracts["debts"]
    session.execute("ALTER TABLE debts ALTER product TYPE varchar(40)")
    columns = {**debts.columns, "product": replace(debts.columns["product"], physical_type="varchar(20)")}
    assert not [
        f for f in check_installation(session, {**contracts, "debts": replace(debts, columns=columns)}) if "product" in f.what
    ]
    columns = {**debts.columns, "product": replace(debts.columns["product"], physical_type="NO TYPE AT ALL (")}
    assert not [
        f for f in check_installation(session, {**contracts, "debts": replace(debts, columns=columns)}) if "product" in f.what
    ]


def test_vacuum_full_is_no_rewrite(session: Connection, contracts: Contracts) -> None:
    platform = Platform(session)
    platform.creditor()
    session.execute("VACUUM FULL creditors")
    session.execute("ALTER TABLE debts ALTER balance_pence SET STATISTICS 200")
    assert check_installation(session, contracts) == []


def test_a_contract_that_reads_another_column_makes_capture_outdated(session: Connection, contracts: Contracts) -> None:
    creditors = contracts["creditors"]
    narrowed = {**contracts, "creditors": replace(creditors, fields=creditors.fields[:-1])}
    assert [f.what for f in check_installation(session, narrowed)] == ["its capture function is outdated or was changed"]


def test_capture_without_a_contract_is_found(session: Connection, contracts: Contracts) -> None:
    fewer = {name: contract for name, contract in contracts.items() if name != "messages"}
    assert any("captured without a contract" in f.what for f in check_installation(session, fewer))


def test_check_before_the_first_install_says_so(bare: Connection, contracts: Contracts) -> None:
    found = check_installation(bare, contracts)
    assert "the publisher's schema is missing" in str(found)


def test_two_installations_at_once_both_end_well(platform_database: str, contracts: Contracts) -> None:

    def work(_: int) -> None:
        with connect(platform_database, "install") as connection:
            install(connection, contracts)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    with connect(platform_database, "test") as connection:
        assert check_installation(connection, contracts) == []

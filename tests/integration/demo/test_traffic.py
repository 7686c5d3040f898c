"""The traffic against a real database: its counts are compared with what triggers counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import psycopg
import pytest

from demo.cloud.postgres import Postgres
from demo.platform.crypto import Cipher
from demo.platform.models import Base, Customer
from demo.platform.sensitive import sensitive_columns, text_of
from demo.platform.traffic import Traffic, Way, plain_values
from demo.platform.traffic.activities import HOW_OFTEN, Activity, contacts, leaving, mishaps, payments, plans
from demo.platform.traffic.unit import _encrypted, transaction
from publisher.contracts import load_contracts

KEY = bytes(range(32))
CONTRACTS = load_contracts(Path(__file__).parents[3] / "contracts")
TODAY = date(2026, 11, 24)
TABLES = sorted(Base.metadata.tables)

# Counts what each statement wrote, in the writer's own transaction: what is rolled back leaves no count.
COUNTERS = """
CREATE TABLE demo.counted (tab text, op text, rows bigint);
CREATE FUNCTION demo.count_old() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO demo.counted SELECT TG_TABLE_NAME, TG_OP, count(*) FROM gone; RETURN NULL; END $$;
CREATE FUNCTION demo.count_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO demo.counted SELECT TG_TABLE_NAME, TG_OP, count(*) FROM fresh; RETURN NULL; END $$;
"""
COUNTERS_OF_A_TABLE = """
CREATE TRIGGER i AFTER INSERT ON {t} REFERENCING NEW TABLE AS fresh EXECUTE FUNCTION demo.count_new();
CREATE TRIGGER u AFTER UPDATE ON {t} REFERENCING NEW TABLE AS fresh EXECUTE FUNCTION demo.count_new();
CREATE TRIGGER d AFTER DELETE ON {t} REFERENCING OLD TABLE AS gone EXECUTE FUNCTION demo.count_old();
"""


def count_rows(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(COUNTERS)
        for table in TABLES:
            connection.execute(COUNTERS_OF_A_TABLE.format(t=table))


@pytest.fixture
def counted_database(platform_database: str) -> str:
    count_rows(platform_database)
    return platform_database


@pytest.fixture
def traffic(counted_database: str) -> Iterator[Traffic]:
    with Traffic(counted_database, KEY, seed=11, today=TODAY, scale=0.3) as made:
        made.seed_creditors()
        yield made


def counts(url: str) -> Counter[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT tab, sum(rows)::int FROM demo.counted GROUP BY tab HAVING sum(rows) > 0")
        return Counter(dict(found.fetchall()))


def test_its_count_is_exact_for_every_table(counted_database: str, traffic: Traffic) -> None:
    traffic.run(4000)
    assert traffic.stats.by_table == counts(counted_database)
    assert traffic.stats.rows_written == sum(traffic.stats.by_way.values()) >= 4000


def test_it_writes_in_every_way_and_every_table(traffic: Traffic) -> None:
    traffic.run(6000)
    assert set(traffic.stats.by_way) == {str(way) for way in Way}
    assert set(traffic.stats.by_table) == set(TABLES)
    assert traffic.stats.transactions_rolled_back > 0 < traffic.stats.rows_rolled_back


@pytest.fixture(scope="module")
def business(postgres: Postgres, platform_template: str) -> Iterator[tuple[str, Traffic]]:
    """A business that has run for a while, so that every activity finds something to do."""
    url = postgres.create_database("business", platform_template)
    count_rows(url)
    with Traffic(url, KEY, seed=3, today=TODAY, scale=0.3) as made:
        made.run(5000)
        yield url, made
    postgres.drop_database("business")


def make_work_for(activity: Activity, url: str, traffic: Traffic) -> None:
    """Two jobs may have done all that there was to do."""
    if activity is plans.complete:
        traffic._do(payments.settle_in_full)
    if activity is leaving.close:
        with psycopg.connect(url) as connection:
            connection.execute(
                "UPDATE debts SET status = 'settled' WHERE customer_id IN "
                "(SELECT customer_id FROM debts d JOIN customers c ON c.id = d.customer_id WHERE c.status = 'active' LIMIT 60)"
            )
    if activity is plans.mark_broken:
        with psycopg.connect(url) as connection:
            connection.execute(
                "UPDATE payments SET status = 'failed', failure_reason = 'other' WHERE plan_id IN "
                "(SELECT plan_id FROM payments JOIN plans p ON p.id = plan_id WHERE p.status = 'active' "
                "GROUP BY plan_id HAVING count(*) > 2 LIMIT 5)"
            )


@pytest.mark.parametrize("activity", HOW_OFTEN, ids=lambda activity: str(activity.__name__))
def test_each_activity_counts_exactly(business: tuple[str, Traffic], activity: Activity) -> None:
    url, traffic = business
    make_work_for(activity, url, traffic)
    before, known, rolled_back = counts(url), traffic.stats.by_table, traffic.stats.transactions_rolled_back
    for _ in range(6):
        traffic._do(activity)
    assert Counter(traffic.stats.by_table) - Counter(known) == counts(url) - before
    undone = activity in (mishaps.give_up, mishaps.violate_constraint)
    assert traffic.stats.transactions_rolled_back - rolled_back == (6 if undone else 0)
    assert undone or traffic.stats.by_table != known, "the activity found nothing to do: it proves nothing"


def test_the_same_seed_writes_the_same_business(platform_template: str, new_database: Callable[..., str]) -> None:
    outcomes = []
    for _ in range(2):
        url = new_database(platform_template)
        with Traffic(url, KEY, seed=5, today=TODAY, scale=0.3) as made:
            made.run(1500)
            journal = [replace(entry, committed_at=0.0) for entry in made.journal]
            values = plain_values(url, KEY, CONTRACTS)
            # An UPDATE writes the clock's time.
            outcomes.append((made.stats, journal, sorted(value for value in values if not value[0].endswith("_at"))))
    assert outcomes[0] == outcomes[1]


def test_what_was_overwritten_deleted_or_rolled_back_is_still_searched_for(counted_database: str, traffic: Traffic) -> None:
    traffic.run(1000)
    encrypted = {
        f"{each.table}.{name}" for each in CONTRACTS.values() for name, column in each.columns.items() if column.encrypted
    }
    known = {(source, value) for source, value in plain_values(counted_database, KEY, CONTRACTS) if source in encrypted}
    for activity in (contacts.change_details, leaving.erase_children_first, leaving.erase_by_cascade):
        for _ in range(5):
            traffic._do(activity)
    now = set(plain_values(counted_database, KEY, CONTRACTS))
    assert known <= now
    traffic._do(mishaps.give_up)
    undone = set(plain_values(counted_database, KEY, CONTRACTS)) - now
    assert {source for source, _ in undone} >= {"customers.full_name", "messages.body"}
    with psycopg.connect(counted_database) as connection:
        names = connection.execute("SELECT full_name FROM customers").fetchall()
    present = {Cipher(KEY).decrypt(name) for (name,) in names}
    assert not present & {value for source, value in undone if source == "customers.full_name"}


def test_a_canary_is_the_first_and_another_the_last_of_every_column_that_must_not_leave(
    counted_database: str, traffic: Traffic
) -> None:
    planted = traffic.plant_canaries(CONTRACTS)
    assert traffic.stats.by_table == counts(counted_database), "they are written as all rows are, and counted"
    before = traffic.stats.rows_written
    assert traffic.plant_canaries(CONTRACTS).pairs == planted.pairs
    assert traffic.stats.rows_written == before, "once"
    traffic.run(4000)
    held = defaultdict(list)
    for source, value in plain_values(counted_database, KEY, CONTRACTS):
        held[source].append(int(value) if source == "plans.monthly_income" else value)
    assert set(held) == {str(each) for each in planted.pairs}
    for each, pair in planted.pairs.items():
        shown = pair if each.type == "integer" else tuple(map(text_of, pair))
        assert (min(held[str(each)]), max(held[str(each)])) == shown, each
        assert len(held[str(each)]) > 10, "the others are there too"
    assert traffic.stats.by_table == counts(counted_database)


def test_values_are_ciphertext_in_the_database(counted_database: str, traffic: Traffic) -> None:
    traffic.run(500)
    with psycopg.connect(counted_database) as connection:
        rows = [str(row) for table in TABLES for row in connection.execute(f"SELECT t::text FROM {table} t").fetchall()]
    dump = "\n".join(rows)
    plain = {str(each) for each in sensitive_columns(CONTRACTS)} - {
        f"{t}.{c}" for t in TABLES for c in _encrypted(Base.metadata.tables[t])
    }
    for source, value in plain_values(counted_database, KEY, CONTRACTS):
        if source not in {*plain, "plans.monthly_income", "customers.date_of_birth"}:
            assert value not in dump, source


def test_an_update_of_nothing_is_not_counted(counted_database: str, traffic: Traffic) -> None:
    known = counts(counted_database)
    with traffic._cipher.active(), transaction(traffic._engine, traffic.stats, traffic.journal) as unit:
        customer = unit.session.get_one(Customer, 1)
        customer.full_name = str(customer.full_name)
    assert counts(counted_database) == known == Counter(traffic.stats.by_table)


def test_the_journal_names_committed_rows_with_the_time_of_their_commit(counted_database: str, traffic: Traffic) -> None:
    traffic.run(800)
    with psycopg.connect(counted_database) as connection:
        for entry in traffic.journal:
            highest = connection.execute(f"SELECT max(id) FROM {entry.table}").fetchone()
            assert highest is not None
            assert 0 < entry.id <= highest[0]
    assert [entry.committed_at for entry in traffic.journal] == sorted(entry.committed_at for entry in traffic.journal)

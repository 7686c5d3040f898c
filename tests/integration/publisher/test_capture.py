"""Whatever way a row is written, the outbox ends with what the row is, and nothing but its contract's source columns."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from publisher.capture import check_installation, install
from publisher.contracts import Contract
from publisher.database import connect
from tests.integration.publisher.platform import Platform, last_per_key, ops, secret


def test_only_source_columns_are_captured_and_encrypted_ones_stay_encrypted(
    platform: Platform, contracts: dict[str, Contract]
) -> None:
    email = secret("ada@example.org")
    platform.customer(email=email)
    row = platform.outbox("customers")[0].row
    assert row is not None
    assert set(row) == set(contracts["customers"].source_columns)
    assert row["email"] == "\\x" + email.hex()


def test_times_are_captured_in_utc_and_binary_as_hex_whatever_the_session_says(platform: Platform) -> None:
    platform.sql("SET TimeZone = 'Asia/Tokyo'")
    platform.sql("SET bytea_output = 'escape'")
    platform.sql("SET DateStyle = 'German'")
    platform.sql("SET standard_conforming_strings = off")
    platform.customer()
    row = platform.outbox("customers")[0].row
    assert row is not None
    assert row["created_at"] == "2026-03-01T10:20:30+00:00"
    assert row["date_of_birth"].startswith("\\x01")


def test_subject_follows_the_contract_path(platform: Platform) -> None:
    customer = platform.customer()
    plan = platform.plan(platform.debt(customer, platform.creditor()))
    payment = platform.insert(
        "payments", plan_id=plan, amount_pence=100, method="card", status="pending", due_on="2026-03-01", created_at="2026-03-01"
    )
    subjects = {row.entity: row.subject for row in platform.outbox()}
    person = str(customer)
    assert subjects == {"customers": person, "creditors": None, "debts": person, "plans": person, "payments": person}
    platform.clear()
    platform.sql("DELETE FROM payments WHERE id = %s", payment)
    assert platform.outbox()[0].subject == person


def test_several_updates_in_one_transaction_are_several_events_in_order(platform: Platform, creditors: list[int]) -> None:
    with platform.connection.transaction():
        for sector in ("card", "retail", "utility"):
            platform.sql("UPDATE creditors SET sector = %s WHERE id = %s", sector, creditors[0])
    assert [row.row and row.row["sector"] for row in platform.outbox()] == ["card", "retail", "utility"]


def test_delete_and_reinsert_of_a_key(platform: Platform, creditors: list[int]) -> None:
    key = creditors[0]
    with platform.connection.transaction():
        platform.sql("DELETE FROM creditors WHERE id = %s", key)
        platform.creditor(id=key, code="C900")
    assert ops(platform.outbox()) == [("delete", str(key)), ("insert", str(key))]


def test_a_changed_key_deletes_the_old_and_upserts_the_new(platform: Platform, creditors: list[int]) -> None:
    platform.sql("UPDATE creditors SET id = 9000 WHERE id = %s", creditors[0])
    assert sorted(ops(platform.outbox())) == [("delete", str(creditors[0])), ("update", "9000")]


def test_keys_that_change_places_end_as_they_are(platform: Platform) -> None:
    for key in (1001, 1002, 1003):
        platform.creditor(id=key)
    platform.clear()
    platform.sql("UPDATE creditors SET id = id + 1000 WHERE id >= 1001")
    last = last_per_key(platform.outbox())
    assert {key: row.op for key, row in last.items()} == {
        "1001": "delete", "1002": "delete", "1003": "delete", "2001": "update", "2002": "update", "2003": "update",
    }  # fmt: skip


def test_on_conflict_captures_insert_and_update_and_not_nothing(platform: Platform, creditors: list[int]) -> None:
    row = "(id, code, name, sector, contact_email, created_at) VALUES (%s, 'C999', 'x', 'card', '\\x01', now())"
    platform.sql(f"INSERT INTO creditors {row} ON CONFLICT (id) DO UPDATE SET sector = 'utility'", creditors[0])
    platform.sql(f"INSERT INTO creditors {row} ON CONFLICT (id) DO NOTHING", creditors[1])
    platform.sql(f"INSERT INTO creditors {row} ON CONFLICT (id) DO NOTHING", 5000)
    assert ops(platform.outbox()) == [("update", str(creditors[0])), ("insert", "5000")]


def test_merge_captures_all_three_actions(platform: Platform, creditors: list[int]) -> None:
    first, second, _ = creditors
    platform.sql(
        "MERGE INTO creditors c USING (VALUES (%s::bigint, 'keep'), (%s, 'drop'), (7000, 'new')) v (id, what) ON c.id = v.id"
        " WHEN MATCHED AND v.what = 'drop' THEN DELETE WHEN MATCHED THEN UPDATE SET sector = 'retail'"
        " WHEN NOT MATCHED THEN INSERT (id, code, name, sector, contact_email, created_at) VALUES (v.id, 'C777', 'm', 'bank', '\\x01', now())",
        first, second,
    )  # fmt: skip
    assert sorted(ops(platform.outbox())) == sorted([("update", str(first)), ("delete", str(second)), ("insert", "7000")])


def test_copy_is_captured(platform: Platform) -> None:
    with (
        platform.connection.cursor() as cursor,
        cursor.copy("COPY creditors (id, code, name, sector, contact_email, created_at) FROM STDIN") as copy,
    ):
        for number in range(500):
            copy.write_row((10_000 + number, f"K{number}", "n", "bank", b"\x01", "2026-01-01T00:00:00Z"))
    assert {row.key for row in platform.outbox("creditors")} == {str(10_000 + n) for n in range(500)}


def test_a_cte_that_writes_twice_is_captured(platform: Platform, creditors: list[int]) -> None:
    platform.sql(
        "WITH gone AS (DELETE FROM creditors WHERE id = %s RETURNING 1) UPDATE creditors SET sector = 'card' WHERE id = %s",
        creditors[0], creditors[1],
    )  # fmt: skip
    assert sorted(ops(platform.outbox())) == sorted([("delete", str(creditors[0])), ("update", str(creditors[1]))])


def test_truncate_deletes_every_key_with_its_subject(platform: Platform) -> None:
    customer = platform.customer()
    for kind in ("gambling", "bereavement"):
        platform.insert("circumstances", customer_id=customer, kind=kind, severity="low", recorded_on="2026-01-01")
    platform.clear()
    platform.sql("TRUNCATE circumstances")
    rows = platform.outbox()
    assert [(row.op, row.subject) for row in rows] == [("delete", str(customer))] * 2


def test_truncate_under_an_old_snapshot_is_refused(platform: Platform, creditors: list[int]) -> None:
    platform.connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with (
        platform.connection.transaction(force_rollback=True),
        pytest.raises(psycopg.errors.RaiseException, match="READ COMMITTED"),
    ):
        platform.sql("TRUNCATE creditors CASCADE")


def test_cascaded_deletes_are_captured_as_far_as_the_path_exists(platform: Platform, creditors: list[int]) -> None:
    customer = platform.customer()
    plan = platform.plan(platform.debt(customer, creditors[0]))
    platform.sql("ALTER TABLE plans DROP CONSTRAINT IF EXISTS plans_debt_id_fkey")
    for (name,) in platform.sql("SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'plans'::regclass"):
        platform.sql(f'ALTER TABLE plans DROP CONSTRAINT "{name}"')
    platform.sql("ALTER TABLE plans ADD FOREIGN KEY (debt_id) REFERENCES debts ON DELETE CASCADE")
    platform.clear()
    platform.sql("DELETE FROM debts WHERE customer_id = %s", customer)
    found = {row.entity: (row.op, row.key, row.subject) for row in platform.outbox()}
    assert found["debts"][2] == str(customer)
    assert found["plans"] == ("delete", str(plan), None)


def test_rolled_back_work_leaves_nothing(platform: Platform, creditors: list[int]) -> None:
    with platform.connection.transaction():
        platform.sql("UPDATE creditors SET sector = 'card' WHERE id = %s", creditors[0])
        with platform.connection.transaction(force_rollback=True):
            platform.sql("UPDATE creditors SET sector = 'retail' WHERE id = %s", creditors[0])
            platform.sql("DELETE FROM creditors WHERE id = %s", creditors[1])
    rows = platform.outbox()
    assert [(row.op, row.key, row.row and row.row["sector"]) for row in rows] == [("update", str(creditors[0]), "card")]


def test_a_partition_written_directly_or_through_its_parent_is_captured_once(
    new_database: Callable[..., str], platform_template: str, contracts: dict[str, Contract]
) -> None:
    url = new_database(platform_template)
    with connect(url, "test") as connection:
        partition_creditors(connection)
        install(connection, contracts)
        assert check_installation(connection, contracts) == []
        platform = Platform(connection)
        platform.sql(
            "INSERT INTO creditors_low (id, code, name, sector, contact_email, created_at) VALUES (1, 'a', 'a', 'bank', '\\x01', now())"
        )
        platform.creditor(id=2)
        platform.creditor(id=1500)
        platform.sql("UPDATE creditors SET id = 1700 WHERE id = 2")
        assert ops(platform.outbox()) == [
            ("insert", "1"),
            ("insert", "2"),
            ("insert", "1500"),
            ("delete", "2"),
            ("update", "1700"),
        ]
        platform.clear()
        platform.sql("TRUNCATE creditors_low")
        assert ops(platform.outbox()) == [("delete", "1")]
        platform.clear()
        platform.sql("TRUNCATE creditors CASCADE")
        assert sorted(ops(platform.outbox())) == [("delete", "1500"), ("delete", "1700")]
        platform.sql("CREATE TABLE creditors_top PARTITION OF creditors FOR VALUES FROM (2000) TO (3000)")
        missing = check_installation(connection, contracts)
        assert {finding.entity for finding in missing} == {"creditors"}
        assert len(missing) == 4
        install(connection, contracts)
        assert check_installation(connection, contracts) == []


def partition_creditors(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    for name, table in connection.execute(
        "SELECT conname, conrelid::regclass::text FROM pg_constraint WHERE confrelid = 'creditors'::regclass"
    ).fetchall():
        connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    connection.execute("DROP TABLE creditors")
    connection.execute(
        "CREATE TABLE creditors (id bigint PRIMARY KEY, code text NOT NULL, name text NOT NULL, sector text NOT NULL,"
        " contact_email bytea NOT NULL, created_at timestamptz NOT NULL) PARTITION BY RANGE (id)"
    )
    connection.execute("CREATE TABLE creditors_low PARTITION OF creditors FOR VALUES FROM (0) TO (1000)")
    connection.execute("CREATE TABLE creditors_high PARTITION OF creditors FOR VALUES FROM (1000) TO (2000)")


def test_the_truncate_of_a_parent_reports_each_key_once(platform: Platform, creditors: list[int]) -> None:
    platform.sql("TRUNCATE creditors CASCADE")
    assert ops(platform.outbox("creditors")) == [("delete", str(key)) for key in creditors]

"""Whatever works beside a write (other triggers, other roles, races, a full disk), the outbox ends with what the row is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.integration.publisher.platform import Platform, last_per_key

TOUCH = """
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$;
CREATE TRIGGER {name} AFTER INSERT OR UPDATE ON creditors {level} EXECUTE FUNCTION touch();
"""


@pytest.mark.parametrize("name", ["a_before_ours", "z_after_ours"])
@pytest.mark.parametrize("level", ["FOR EACH ROW", "FOR EACH STATEMENT"])
def test_a_trigger_that_updates_the_same_row_again_leaves_no_stale_event(
    platform: Platform, creditors: list[int], name: str, level: str
) -> None:
    body = "IF pg_trigger_depth() = 1 THEN UPDATE creditors SET sector = 'utility'; END IF;"
    platform.sql(TOUCH.format(body=body, name=name, level=level))
    platform.sql("UPDATE creditors SET sector = 'card' WHERE id = %s", creditors[0])
    new = platform.creditor(sector="public")
    for key, row in last_per_key(platform.outbox()).items():
        assert row.row is not None
        assert row.row["sector"] == "utility", key
    assert str(new) in last_per_key(platform.outbox())


def test_a_trigger_that_deletes_the_row_leaves_a_delete(platform: Platform, creditors: list[int]) -> None:
    body = "DELETE FROM creditors WHERE sector = 'card';"
    platform.sql(TOUCH.format(body=body, name="z_after", level="FOR EACH ROW"))
    platform.sql("UPDATE creditors SET sector = 'card' WHERE id = %s", creditors[0])
    assert last_per_key(platform.outbox())[str(creditors[0])].op == "delete"


def test_replication_role_does_not_escape(platform: Platform, creditors: list[int]) -> None:
    platform.sql("SET session_replication_role = replica")
    platform.sql("UPDATE creditors SET sector = 'card' WHERE id = %s", creditors[0])
    assert len(platform.outbox()) == 1


def test_an_application_without_rights_on_the_outbox_is_captured(platform: Platform, creditors: list[int]) -> None:
    platform.sql("DROP ROLE IF EXISTS plain_application")
    platform.sql("CREATE ROLE plain_application")
    platform.sql("GRANT SELECT, UPDATE ON creditors TO plain_application")
    try:
        platform.sql("SET ROLE plain_application")
        platform.sql("UPDATE creditors SET sector = 'card' WHERE id = %s", creditors[0])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            platform.sql("SELECT count(*) FROM publisher.outbox")
        platform.sql("RESET ROLE")
        assert len(platform.outbox()) == 1
    finally:
        platform.sql("RESET ROLE")
        platform.sql("DROP OWNED BY plain_application")
        platform.sql("DROP ROLE plain_application")


def test_racing_writers_end_with_the_outbox_telling_the_truth(captured: str, platform: Platform) -> None:
    """4 sessions update, delete, insert and upsert the same 12 keys; per key the highest seq is what the row is."""
    for key in range(1, 13):
        platform.creditor(id=key, code=f"R{key}")

    def write(seed: int) -> None:
        with psycopg.connect(captured, autocommit=True) as connection:
            for step in range(150):
                key, sector = (step * 7 + seed * 5) % 12 + 1, ("bank", "card", "retail", "utility")[(step + seed) % 4]
                with connection.transaction():
                    match (step + seed) % 4:
                        case 0:
                            connection.execute("DELETE FROM creditors WHERE id = %s", [key])
                        case 1:
                            connection.execute(UPSERT, [key, f"R{key}", sector])
                        case 2:
                            connection.execute(
                                "UPDATE creditors SET sector = %s, name = %s WHERE id = %s", [sector, f"{seed}.{step}", key]
                            )
                            connection.execute("SAVEPOINT s")
                            connection.execute("UPDATE creditors SET name = 'lost' WHERE id = %s", [key])
                            connection.execute("ROLLBACK TO s")
                        case _:
                            connection.execute("UPDATE creditors SET sector = %s WHERE id = %s", [sector, key])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    present = {str(key): sector for key, sector in platform.sql("SELECT id, sector FROM creditors")}
    last = last_per_key(platform.outbox("creditors"))
    assert {key: row.row["sector"] for key, row in last.items() if row.row is not None} == present
    assert {key for key, row in last.items() if row.op == "delete"} == set(last) - set(present)


UPSERT = """
INSERT INTO creditors (id, code, name, sector, contact_email, created_at) VALUES (%s, %s, 'n', %s, '\\x01', now())
ON CONFLICT (id) DO UPDATE SET sector = excluded.sector
"""


def test_a_bulk_plan_is_not_kept_for_single_rows(platform: Platform) -> None:
    """The session that loads in bulk first must not scan the table for each later single-row update (a cached plan would)."""
    platform.sql(
        "INSERT INTO creditors (id, code, name, sector, contact_email, created_at)"
        " SELECT n, 'B' || n, 'n', 'bank', '\\x01', now() FROM generate_series(1, 20000) n"
    )
    platform.sql("UPDATE creditors SET sector = 'card'")
    before = _rows_read_by_scanning(platform)
    for key in range(1, 201):
        platform.sql("UPDATE creditors SET sector = 'retail' WHERE id = %s", key)
    assert _rows_read_by_scanning(platform) == before


def _rows_read_by_scanning(platform: Platform) -> int:
    """Rows of `creditors` that scans of the whole table have read so far; a session reports its own when it is told to."""
    platform.sql("SELECT pg_stat_force_next_flush()")
    platform.sql("SELECT pg_stat_clear_snapshot()")
    [(rows,)] = platform.sql("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'creditors'")
    assert rows, "the bulk update read the table: a count that stays at nothing would prove nothing"
    return int(rows)


def test_the_settings_of_the_writer_are_untouched(platform: Platform) -> None:
    platform.sql("SET enable_seqscan = on")
    platform.customer()
    assert platform.sql("SHOW enable_seqscan") == [("on",)]
    assert platform.sql("SHOW search_path")[0][0] != "pg_catalog, pg_temp"


def test_a_write_that_cannot_be_captured_fails_as_a_whole(platform: Platform, creditors: list[int]) -> None:
    """The price of losing nothing: where the outbox cannot be written, neither can the platform's table."""
    platform.sql("ALTER TABLE publisher.outbox ADD CONSTRAINT full_disk CHECK (op <> 'update')")
    with pytest.raises(psycopg.errors.CheckViolation), platform.connection.transaction():
        platform.sql("UPDATE creditors SET sector = 'card'")
    assert platform.sql("SELECT DISTINCT sector FROM creditors") == [("bank",)]
    assert platform.outbox() == []

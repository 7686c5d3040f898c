"""What is left of a table when only its present version may be: hidden rows are out of the files, and files that hide none stay as they are."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from resources.delta_snapshot import Snapshot, snapshot
from resources.table_upkeep import keep_present_version
from resources.tables import WRITTEN_ANEW, LakeTables

KEYED = ("silver", "keyed")
PLAIN = ("ops", "plain")
BRONZE = ("bronze", "events")


@pytest.fixture
def tables(spark: SparkSession, lake_uri: str) -> LakeTables:
    return LakeTables(spark, lake_uri)


def append(tables: LakeTables, table: tuple[str, str], *columns: str, count: int = 10) -> None:
    """A file of so many rows, `id` from 0."""
    frame = tables.spark.range(count).selectExpr(*columns).coalesce(1)
    frame.write.format("delta").mode("append").save(tables.path(*table))


def hide(tables: LakeTables, table: tuple[str, str], where: str) -> None:
    tables.spark.sql(f"DELETE FROM {tables.sql_name(*table)} WHERE {where}").collect()


def seen(tables: LakeTables, table: tuple[str, str]) -> list[tuple[object, ...]]:
    return sorted(map(tuple, tables.read(*table).collect()), key=str)


def state(tables: LakeTables, table: tuple[str, str]) -> Snapshot:
    return snapshot(tables.logs, table)


def stored(tables: LakeTables, table: tuple[str, str]) -> list[Path]:
    folder = Path(unquote(urlsplit(tables.path(*table)).path))
    return [path for path in folder.rglob("*") if path.is_file() and "_delta_log" not in path.parts and path.suffix != ".crc"]


def test_hidden_rows_are_out_of_the_files_and_no_other_file_is_written(tables: LakeTables) -> None:
    tables.ensure(*KEYED, "_key STRING, _seq BIGINT, note STRING")
    for first in (0, 100, 200):
        append(
            tables,
            KEYED,
            f"CAST(id + {first} AS STRING) AS _key",
            f"id + {first} AS _seq",
            f"concat('note-', id + {first}) AS note",
        )
    hide(tables, KEYED, "_seq IN (3, 104, 105)")
    before, rows = state(tables, KEYED), seen(tables, KEYED)
    whole = {file.name for file in before.files if not file.hidden}
    assert (len(whole), sum(file.hidden for file in before.files)) == (1, 3)

    keep_present_version(tables, *KEYED)
    after = state(tables, KEYED)
    assert seen(tables, KEYED) == rows
    assert whole <= after.names, "nothing was hidden in it"
    assert not any(file.hidden for file in after.files)
    assert {path.name for path in stored(tables, KEYED)} == after.names
    notes = {note for path in stored(tables, KEYED) for note in pq.read_table(path)["note"].to_pylist()}
    assert notes == {row[2] for row in rows}

    version = after.version
    keep_present_version(tables, *KEYED)
    assert state(tables, KEYED).version == version, "nothing was to do"


def test_an_event_that_came_twice_has_its_other_file_left_as_it_is(tables: LakeTables) -> None:
    """As in bronze: the same key, position and digest, by another object."""
    tables.ensure(*BRONZE, "_key STRING, _seq BIGINT, _digest BIGINT, _object STRING")
    for name in ("first", "second"):
        append(tables, BRONZE, "CAST(id AS STRING) AS _key", "id AS _seq", "id AS _digest", f"'{name}' AS _object")
    hide(tables, BRONZE, "_object = 'first' AND _seq = 3")
    [whole] = [file.name for file in state(tables, BRONZE).files if not file.hidden]
    rows = seen(tables, BRONZE)
    keep_present_version(tables, *BRONZE)
    assert seen(tables, BRONZE) == rows
    assert whole in state(tables, BRONZE).names
    assert [file.hidden for file in state(tables, BRONZE).files] == [0, 0]


def test_a_lone_file_of_a_partition_whose_rows_are_alike(tables: LakeTables) -> None:
    """No key tells its rows apart, a column is a map, and each row is there twice."""
    tables.ensure(*PLAIN, "of STRING, name STRING, more MAP<STRING, STRING>", partition_by=["of"])
    for of in ("a", "b"):
        append(tables, PLAIN, f"'{of}' AS of", "CAST(id DIV 2 AS STRING) AS name", "map('k', CAST(id AS STRING)) AS more")
    append(tables, PLAIN, "'a' AS of", "CAST(NULL AS STRING) AS name", "CAST(NULL AS MAP<STRING, STRING>) AS more")
    hide(tables, PLAIN, "of = 'b' AND name = '3'")
    hide(tables, PLAIN, "of = 'a' AND more['k'] = '4'")
    rows = sorted(map(str, tables.read(*PLAIN).collect()))
    keep_present_version(tables, *PLAIN)
    assert sorted(map(str, tables.read(*PLAIN).collect())) == rows
    assert not any(file.hidden for file in state(tables, PLAIN).files)
    assert {path.name for path in stored(tables, PLAIN)} == state(tables, PLAIN).names


def test_a_file_of_which_every_row_went_is_gone(tables: LakeTables) -> None:
    tables.ensure(*KEYED, "_key STRING, _seq BIGINT")
    for first in (0, 100):
        append(tables, KEYED, f"CAST(id + {first} AS STRING) AS _key", f"id + {first} AS _seq", count=4)
    hide(tables, KEYED, "_seq < 2")
    hide(tables, KEYED, "_seq IN (2, 3)")
    keep_present_version(tables, *KEYED)
    assert [row[1] for row in seen(tables, KEYED)] == [100, 101, 102, 103]
    assert len(stored(tables, KEYED)) == 1


def test_what_is_deleted_for_good_hides_nothing(tables: LakeTables) -> None:
    tables.ensure(*KEYED, "_key STRING, _seq BIGINT")
    append(tables, KEYED, "CAST(id AS STRING) AS _key", "id AS _seq")
    gone = tables.spark.createDataFrame([("3",), ("4",)], "_key STRING")
    assert tables.delete_matching(*KEYED, gone, "t._key = s._key", note="theirs") == 2
    assert [file.hidden for file in state(tables, KEYED).files] == [0]
    with tables.settings(WRITTEN_ANEW):
        tables.spark.sql(f"UPDATE {tables.sql_name(*KEYED)} SET _seq = NULL WHERE _seq = 5").collect()
    assert [file.hidden for file in state(tables, KEYED).files] == [0]

"""What every writer of the lake relies on: batches land once, in any order, and no value reaches a log or a footer."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from resources.errors import SchemaConflict, SparkFailed
from resources.tables import LakeTables

SCHEMA = "id STRING NOT NULL, note STRING, amount BIGINT, _key STRING, _seq BIGINT, _batch BIGINT"
MERGE = "ON t._key = s._key WHEN MATCHED AND s._seq > t._seq THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"


@pytest.fixture
def tables(spark: SparkSession, lake_uri: str) -> LakeTables:
    return LakeTables(spark, lake_uri)


def rows(spark: SparkSession, batch: int, count: int = 3, note: str = "plain-value"):
    return spark.range(count).selectExpr(
        "cast(id as string) AS id",
        f"'{note}' AS note",
        "id * 7919 AS amount",
        "cast(id as string) AS _key",
        f"id + {batch * 100} AS _seq",
        f"{batch}L AS _batch",
    )


def test_batches_land_once_each_in_any_order_and_again_in_a_new_generation(spark, tables) -> None:
    tables.ensure("bronze", "things", SCHEMA)
    for batch in (3, 2, 3, 2, 1):
        tables.append("bronze", "things", rows(spark, batch), batch=batch, generation=0)
    counts = {row._batch: row["count"] for row in tables.read("bronze", "things").groupBy("_batch").count().collect()}
    assert counts == {1: 3, 2: 3, 3: 3}
    tables.append("bronze", "things", rows(spark, 2), batch=2, generation=1)
    assert tables.read("bronze", "things").where("_batch = 2").count() == 6


def test_a_batch_is_replaced_and_the_others_stay(spark, tables) -> None:
    tables.ensure("bronze", "things", SCHEMA)
    for batch in (1, 2):
        tables.append("bronze", "things", rows(spark, batch), batch=batch, generation=0)
    tables.replace_batch("bronze", "things", rows(spark, 2, count=5), batch=2)
    tables.replace_batch("bronze", "things", rows(spark, 2, count=5), batch=2)
    counts = {row._batch: row["count"] for row in tables.read("bronze", "things").groupBy("_batch").count().collect()}
    assert counts == {1: 3, 2: 5}


def test_a_merge_counts_what_it_did_and_does_nothing_the_second_time(spark, tables) -> None:
    tables.ensure("silver", "things", SCHEMA)
    first = tables.merge("silver", "things", rows(spark, 1), MERGE, batch=1)
    assert (first.inserted, first.updated, first.deleted) == (3, 0, 0)
    again = tables.merge("silver", "things", rows(spark, 1, note="other"), MERGE, batch=1)
    assert again.affected == 0
    second = tables.merge("silver", "things", rows(spark, 2, count=5), MERGE, batch=2)
    assert (second.inserted, second.updated) == (2, 3)
    assert tables.read("silver", "things").where("note = 'other'").count() == 0


def test_a_failed_merge_leaves_no_transaction_id_behind(spark, tables) -> None:
    tables.ensure("silver", "things", SCHEMA)
    ambiguous = rows(spark, 1).union(rows(spark, 1))
    tables.merge("silver", "things", rows(spark, 1), MERGE, batch=1)
    with pytest.raises(SparkFailed):
        tables.merge("silver", "things", ambiguous, "ON t._key = s._key WHEN MATCHED THEN UPDATE SET *", batch=2)
    assert tables.merge("silver", "things", rows(spark, 2), MERGE, batch=2).updated == 3


def test_new_columns_are_added_and_a_changed_type_is_refused(spark, tables) -> None:
    tables.ensure("silver", "things", SCHEMA)
    tables.append("silver", "things", rows(spark, 1), batch=1, generation=0)
    tables.ensure("silver", "things", SCHEMA + ", extra DATE NOT NULL COMMENT 'what''s new'")
    schema = tables.schema("silver", "things")
    assert schema is not None
    assert schema["extra"].dataType.simpleString() == "date"
    assert schema["extra"].metadata["comment"] == "what's new"
    with pytest.raises(SchemaConflict, match=r"silver/things\.amount is bigint"):
        tables.ensure("silver", "things", SCHEMA.replace("amount BIGINT", "amount STRING"))


def test_neither_delta_log_nor_footer_holds_a_minimum_or_maximum_of_a_record(spark, tables, lake_uri) -> None:
    tables.ensure("bronze", "things", SCHEMA)
    tables.append("bronze", "things", rows(spark, 1), batch=1, generation=0)
    tables.merge("bronze", "things", rows(spark, 2, count=5), MERGE, batch=2)
    folder = Path(urlsplit(tables.path("bronze", "things")).path)
    log = "".join(path.read_text() for path in folder.glob("_delta_log/*.json"))
    assert "plain-value" not in log
    assert "15838" not in log  # the largest amount of batch 1
    indexed = [json.loads(action["add"]["stats"]) for action in actions(folder) if "add" in action]
    assert {column for stats in indexed for column in stats["maxValues"]} == {"_seq", "_batch"}
    footers = [pq.ParquetFile(file).metadata for file in folder.glob("*.parquet")]
    groups = [footer.row_group(number) for footer in footers for number in range(footer.num_row_groups)]
    assert len(groups) >= 2
    for group in groups:
        chunks = [group.column(number) for number in range(group.num_columns)]
        having = {chunk.path_in_schema for chunk in chunks if chunk.statistics and chunk.statistics.has_min_max}
        assert having == {"_seq", "_batch"}


def test_spark_errors_carry_no_value(spark, tables, capfd) -> None:
    tables.ensure("bronze", "things", SCHEMA)
    bad = rows(spark, 1).selectExpr("* EXCEPT (amount)", "cast(note AS BIGINT) AS amount")
    with pytest.raises(SparkFailed) as failed:
        tables.append("bronze", "things", bad, batch=1, generation=0)
    assert failed.value.condition == "CAST_INVALID_INPUT"
    assert "plain-value" not in str(failed.value)
    assert failed.value.__cause__ is None
    assert "plain-value" not in "".join(capfd.readouterr())


def test_settings_of_a_statement_leave_what_was_set_before(spark, tables) -> None:
    outer, inner = {"spark.sql.shuffle.partitions": "3", "pushlake.test.a": "1"}, {"spark.sql.shuffle.partitions": "5"}
    names = ("spark.sql.shuffle.partitions", "pushlake.test.a", "pushlake.test.b")

    def now() -> tuple[str | None, ...]:
        return tuple(spark.conf.get(name, None) for name in names)

    before = now()
    with tables.settings(outer):
        with tables.settings({**inner, "pushlake.test.b": "2"}):
            assert now() == ("5", "1", "2")
        assert now() == ("3", "1", None)
        with pytest.raises(ValueError, match="it failed"), tables.settings(inner):
            raise ValueError("it failed")
        assert now() == ("3", "1", None)
    assert now() == before


def test_a_missing_table_does_not_exist(tables) -> None:
    assert not tables.exists("bronze", "nothing")


def actions(folder: Path) -> list[dict]:
    return [json.loads(line) for path in folder.glob("_delta_log/*.json") for line in path.read_text().splitlines()]

"""What Delta logs, checkpoints and Parquet files of a whole lake keep of the records: no minimum, no maximum."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from demo.cloud.ministack import Emulator
from lake_assets.raw.lake import OPS
from resources.table_schema import INDEXED
from resources.tables import LakeTables
from tests.integration.statistics import statistics_in
from tests.integration.whole_path.path import WholePath

WHERE = {"log", "checkpoint", "footer", "checkpoint's footer", "page index", "bloom filter"}
CHECKPOINTED = (
    ("bronze", "customers"),
    ("silver", "customers"),
    ("silver", "payments_history"),
    ("gold", "age_groups"),
    ("ops", "manifests"),
)


def test_no_log_checkpoint_or_footer_of_the_lake_holds_a_minimum_or_maximum_of_a_record(
    whole_path: WholePath, cloud: Emulator
) -> None:
    """Every object of the lake; and what a writer without our settings leaves is found in each of these places."""
    tables, s3 = whole_path.tables, cloud.client("s3")
    for layer, name in CHECKPOINTED:
        tables.spark.sql(
            f"ALTER TABLE {tables.sql_name(layer, name)} SET TBLPROPERTIES ('delta.checkpointInterval' = '1')"
        ).collect()
    objects = dict(_objects(whole_path, s3))
    for layer, name in CHECKPOINTED:
        assert [key for key in objects if key.startswith(f"{layer}/{name}/_delta_log/") and key.endswith(".parquet")], name
    known = {(table.layer, table.name): set(table.statistics) for table in OPS}
    found = statistics_in(objects.items())
    assert set(found.looked_at) == WHERE
    assert found.looked_at["footer"] > 100
    assert found.looked_at["checkpoint"] > len(CHECKPOINTED)
    everywhere = {(*table.split("/"), column, where) for where, each in found.columns.items() for table, column in each}
    beside = {each for each in everywhere if each[2] not in {*INDEXED, *known.get(each[:2], ())}}
    assert beside == set()
    assert ("bronze", "customers", "_seq", "checkpoint") in everywhere, "what may be there is seen"
    assert not any(each[-1] in ("checkpoint's footer", "bloom filter") for each in everywhere)

    _write_without_our_settings(tables, whole_path.env["LAKE_URI"], s3)
    control = statistics_in((key, data) for key, data in _objects(whole_path, s3) if key.startswith("silver/control/"))
    assert {where for where, each in control.columns.items() if ("silver/control", "amount_pence") in each} == WHERE - {
        "checkpoint's footer"
    }
    for key in [key for key, _ in _objects(whole_path, s3) if key.startswith("silver/control/")]:
        s3.delete_object(Bucket=_bucket(whole_path)[0], Key=_bucket(whole_path)[1] + key)


def _bucket(whole_path: WholePath) -> tuple[str, str]:
    """The lake's bucket, and what its keys begin with."""
    bucket, _, prefix = whole_path.env["LAKE_URI"].split("://")[1].rstrip("/").partition("/")
    return bucket, f"{prefix}/" if prefix else ""


def _objects(whole_path: WholePath, s3: Any) -> Iterator[tuple[str, bytes]]:
    bucket, prefix = _bucket(whole_path)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            yield entry["Key"].removeprefix(prefix), s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()


def _write_without_our_settings(tables: LakeTables, lake_uri: str, s3: Any) -> None:
    """A Delta table with statistics of every column and a checkpoint, and a Parquet file as any other program writes it."""
    rows = tables.spark.range(5).selectExpr("id * 7919 AS amount_pence")
    for mode in ("overwrite", "append"):
        rows.write.format("delta").mode(mode).option("delta.checkpointInterval", "1").save(tables.path("silver", "control"))
    buffer = io.BytesIO()
    table = pa.table({"amount_pence": [7919, 15838]})
    pq.write_table(table, buffer, write_page_index=True, bloom_filter_options={"amount_pence": True})
    bucket, _, prefix = lake_uri.split("://")[1].rstrip("/").partition("/")
    s3.put_object(Bucket=bucket, Key=f"{prefix}/silver/control/other.parquet".lstrip("/"), Body=buffer.getvalue())

"""Building gold in a real Delta lake: small cells, a broken grain, atomic overwrites, and what the log holds."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from datetime import date
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from lake_assets.gold.engine import build, load_gold, select
from lake_assets.gold.errors import GrainBroken
from lake_assets.gold.model import GoldTable
from publisher.contracts import load_contracts
from resources.tables import LakeTables
from tests.integration.gold.silver import silver_frame
from tests.unit.gold.conftest import header

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONTRACTS = load_contracts(Path(__file__).parents[3] / "contracts")
TODAY = date(2026, 11, 24)
CELL = "people < 10 suppresses people within birth_band"
BY_CHANNEL = (
    "SELECT birth_band, preferred_channel, count(*) AS people FROM silver.customers GROUP BY birth_band, preferred_channel"
)


def _table(folder: Path, sql: str, columns: str, grain: str, cell: str = "none because it is a test's") -> GoldTable:
    (folder / "t.sql").write_text(header(columns, grain, cell) + sql, encoding="utf-8")
    return load_gold(CONTRACTS, folder)["t"]


def _by_channel(folder: Path) -> GoldTable:
    return _table(folder, BY_CHANNEL, "birth_band preferred_channel people", "birth_band, preferred_channel", CELL)


def _customers(sizes: dict[tuple[str, str], int]) -> list[dict[str, str]]:
    return [{"id": f"{band}{channel}{n}", "birth_band": band, "preferred_channel": channel} for (band, channel), size in sizes.items() for n in range(size)]  # fmt: skip


def test_a_refresh_replaces_the_table_in_one_commit_and_a_failed_one_leaves_it(
    spark: SparkSession, lake_uri: str, tmp_path: Path
) -> None:
    tables = LakeTables(spark, lake_uri)
    folder = tmp_path / "sql"
    folder.mkdir()
    table = _by_channel(folder)
    sizes = {("1980-1989", "email"): 12, ("1980-1989", "sms"): 4, ("1980-1989", "letter"): 11, ("1990-1999", "email"): 10}
    silver_frame(spark, CONTRACTS, "silver/customers", _customers(sizes)).write.format("delta").save(
        tables.path("silver", "customers")
    )

    result = build(table, spark, lake_uri, TODAY)
    assert (result.rows, result.suppressed, result.as_of) == (4, 2, TODAY)
    again = build(table, spark, lake_uri, TODAY)
    assert (again.rows, again.suppressed) == (4, 2)
    frame = tables.read("gold", "t")
    assert {field.name: field.metadata.get("comment") for field in frame.schema}["people"] == "What it is."
    before = sorted(map(str, frame.collect()))

    broken = _table(folder, "SELECT preferred_channel FROM silver.customers", "preferred_channel", "preferred_channel")
    with pytest.raises(GrainBroken, match=r"two rows share its grain \(preferred_channel\)"):
        build(broken, spark, lake_uri, TODAY)
    assert sorted(map(str, tables.read("gold", "t").collect())) == before, "the table that was there stays"

    wider = _table(
        folder, "SELECT count(*) AS people, max(birth_band) AS latest FROM silver.customers", "people latest", "people"
    )
    assert build(wider, spark, lake_uri, TODAY).rows == 1, "an analyst may change a table's columns"
    assert tables.read("gold", "t").columns == ["people", "latest"]

    log = Path(urlsplit(tables.path("gold", "t")).path) / "_delta_log"
    actions = [json.loads(line) for file in sorted(log.glob("*.json")) for line in file.read_text().splitlines()]
    statistics = [json.loads(action["add"].get("stats") or "{}") for action in actions if "add" in action]
    assert statistics
    assert not any(each.get("minValues") or each.get("maxValues") for each in statistics), "the log holds no figure"


def test_no_hidden_cell_can_be_computed_from_the_others_and_the_total(spark: SparkSession, tmp_path: Path) -> None:
    """Over many margins with random cells: what is hidden is nothing, or at least ten people in two cells, or all there is."""
    chance = random.Random(7)
    bands = list(CONTRACTS["customers"].field("birth_band").derivation.domain.values or ())
    channels = ("email", "sms", "phone", "letter")
    sizes = {(band, channel): chance.choice((0, 1, 4, 9, 10, 11, 30)) for band in bands for channel in channels}
    sizes |= {(bands[0], "email"): 1, (bands[0], "sms"): 10, (bands[0], "phone"): 10, (bands[0], "letter"): 10}
    silver_frame(spark, CONTRACTS, "silver/customers", _customers(sizes)).createOrReplaceTempView("customers_view")
    rows = select(_by_channel(tmp_path), spark, {"silver/customers": "customers_view"}, TODAY).collect()

    margins = defaultdict(list)
    for row in rows:
        size = sizes[row.birth_band, row.preferred_channel]
        assert row.people == (None if row.suppressed else size)
        margins[row.birth_band].append((size, row.suppressed))
    assert len(rows) == sum(size > 0 for size in sizes.values())
    for cells in margins.values():
        hidden = [size for size, suppressed in cells if suppressed]
        shown = [size for size, suppressed in cells if not suppressed]
        assert all(size >= 10 for size in shown)
        assert not hidden or not shown or (len(hidden) >= 2 and sum(hidden) >= 10)
        assert any(size < 10 for size in hidden) or not hidden, "nothing is hidden without need"
    assert sorted(margins[bands[0]]) == [(1, True), (10, False), (10, False), (10, True)]


def test_who_knows_the_total_and_the_rule_still_cannot_tell_the_size_of_a_small_cell(spark: SparkSession, tmp_path: Path) -> None:
    """Every other set of sizes that would show the same is tried: a small cell could be of several sizes, in each margin."""
    chance = random.Random(3)
    bands = list(CONTRACTS["customers"].field("birth_band").derivation.domain.values or ())
    channels = ("email", "sms", "phone", "letter")
    sizes = {(band, channel): chance.choice((1, 5, 9, 10, 10, 11, 13)) for band in bands for channel in channels}
    silver_frame(spark, CONTRACTS, "silver/customers", _customers(sizes)).createOrReplaceTempView("customers_view")
    rows = select(_by_channel(tmp_path), spark, {"silver/customers": "customers_view"}, TODAY).collect()
    cells = spark.createDataFrame(list(sizes), "birth_band STRING, preferred_channel STRING")
    order = {(r[0], r[1]): r[2] for r in cells.selectExpr("*", "xxhash64(birth_band, preferred_channel)").collect()}

    tried = 0
    for band in bands:
        margin = [(band, channel) for channel in channels]
        hidden = {(r.birth_band, r.preferred_channel) for r in rows if r.suppressed and r.birth_band == band}
        assert hidden == _emptied({cell: sizes[cell] for cell in margin}, order)
        if not hidden or len(hidden) == len(margin):
            continue
        total, names = sum(sizes[cell] for cell in hidden), sorted(hidden)
        worlds = [
            dict(zip(names, (*some, total - sum(some)), strict=True))
            for some in product(range(1, total), repeat=len(names) - 1)
            if sum(some) < total
        ]
        shown = {cell: sizes[cell] for cell in margin if cell not in hidden}
        fitting = [world for world in worlds if _emptied({**shown, **world}, order) == hidden]
        for cell in hidden:
            if sizes[cell] < 10:
                tried += 1
                assert len({world[cell] for world in fitting}) >= 5
    assert tried >= 5


def _emptied(margin: dict[tuple[str, str], int], order: dict[tuple[str, str], int]) -> set[tuple[str, str]]:
    """The rule of a first refresh, said once more."""
    hidden: set[tuple[str, str]] = set()
    for cell in sorted(margin, key=lambda cell: (margin[cell] >= 10, order[cell])):
        if margin[cell] < 10 or (min(margin.values()) < 10 and sum(margin[each] for each in hidden) < 10):
            hidden.add(cell)
    return hidden

"""Two refreshes of a table with a smallest cell, subtracted: the attack, tried for real, and for any run of random changes.

What truly happened to whom is known here, so a difference is held against the people behind it, and not against the rule's own
reckoning.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lake_assets.gold.cells import Former
from lake_assets.gold.engine import build, load_gold, select
from lake_assets.gold.errors import RefreshesSubtract
from lake_assets.gold.model import GoldTable
from lake_assets.gold.refreshes import check_refreshes, memory, remember, subtractable
from lake_assets.raw.session import interpreted
from publisher.contracts import load_contracts
from resources.tables import LakeTables
from tests.integration.gold.silver import silver_frame
from tests.unit.gold.conftest import header

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONTRACTS = load_contracts(Path(__file__).parents[3] / "contracts")
BANDS = list(CONTRACTS["customers"].field("birth_band").derivation.domain.values or ())
CHANNELS = ("email", "sms", "phone", "letter")
K = 10
FIRST = date(2026, 11, 1)
SQL = """SELECT birth_band, preferred_channel, count(DISTINCT id) AS people,
  round(avg(CAST(has_email AS INT)), 4) AS with_email, max(joined_on) AS latest
FROM silver.customers GROUP BY birth_band, preferred_channel
"""
RULE = "people < 10 suppresses people, with_email, latest within birth_band counting with_email"
DEBTS = """SELECT d.product, count(DISTINCT d.customer_id) AS people, sum(d.balance_pence) AS balance_pence
FROM silver.debts AS d GROUP BY d.product
"""


@dataclass(frozen=True)
class Person:
    band: str
    channel: str
    has_email: bool
    joined_on: date = FIRST

    @property
    def cell(self) -> tuple[str, str]:
        return self.band, self.channel


People = dict[str, Person]
Shown = dict[tuple[str, str], dict[str, Any]]


def _table(folder: Path, sql: str = SQL, rule: str = RULE) -> GoldTable:
    columns, grain = ("birth_band preferred_channel people with_email latest", "birth_band, preferred_channel")
    if sql == DEBTS:
        columns, grain = ("product people balance_pence", "product")
    folder.mkdir(exist_ok=True)
    (folder / "t.sql").write_text(header(columns, grain, rule) + sql, encoding="utf-8")
    return load_gold(CONTRACTS, folder)["t"]


def _crowd(sizes: dict[tuple[str, str], int], prefix: str = "c") -> People:
    cells = [cell for cell, size in sizes.items() for _ in range(size)]
    return {f"{prefix}{n}": Person(*cell, has_email=n % 3 == 0) for n, cell in enumerate(cells)}


def _rows(people: People) -> list[dict[str, Any]]:
    return [
        {"id": id_, "birth_band": p.band, "preferred_channel": p.channel, "has_email": p.has_email, "joined_on": p.joined_on}
        for id_, p in people.items()
    ]


def by_cell(rows: list[dict[str, Any]]) -> Shown:
    return {(row["birth_band"], row["preferred_channel"]): row for row in rows}


class Refreshes:
    """Refreshes one after the other, remembered here; knows who was where on each day."""

    def __init__(self, spark: SparkSession, table: GoldTable, entity: str = "customers") -> None:
        self.spark, self.table, self.entity = spark, table, entity
        self.day = FIRST
        self.on: dict[date, People] = {}
        self.states: list[list[dict[str, Any]]] = []

    def refresh(self, people: People) -> Shown:
        self.on[self.day] = dict(people)
        return by_cell(self.refresh_with(_rows(people)))

    def refresh_with(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        silver_frame(self.spark, CONTRACTS, f"silver/{self.entity}", rows).createOrReplaceTempView("silver_now")
        former = None
        if self.states:
            columns = self.table.columns
            kept = [(n, *[row[c.name] for c in columns]) for n, state in enumerate(self.states) for row in state]
            schema = ", ".join(f"`{column.name}` {column.type}" for column in columns)
            self.spark.createDataFrame(kept, f"`_refresh` BIGINT, {schema}").createOrReplaceTempView("shown_before")
            former = Former("shown_before")
        with interpreted(self.spark):
            frame = select(self.table, self.spark, {f"silver/{self.entity}": "silver_now"}, self.day, former)
            self.states.append([row.asDict() for row in frame.collect()])
        assert not [then for then in self.states if subtractable(self.table, then, self.states[-1])]
        self.day += timedelta(days=1)
        return self.states[-1]


class Lake:
    """A lake whose silver is written anew before each refresh."""

    def __init__(self, spark: SparkSession, uri: str, table: GoldTable, entity: str = "customers") -> None:
        self.tables, self.table, self.entity = LakeTables(spark, uri), table, entity
        self.day = FIRST

    def refresh(self, people: People) -> Shown:
        frame = silver_frame(self.tables.spark, CONTRACTS, f"silver/{self.entity}", _rows(people))
        frame.write.format("delta").mode("overwrite").save(self.tables.path("silver", self.entity))
        with interpreted(self.tables.spark):
            build(self.table, self.tables.spark, self.tables.lake_uri, self.day)
            self.day += timedelta(days=1)
            check_refreshes(self.table, self.tables)
            return by_cell([row.asDict() for row in self.tables.read("gold", self.table.name).collect()])


def _between(one: People, other: People, cell: tuple[str, str]) -> int:
    """How many people of a cell came, went, or changed in what it measures."""
    return sum(one.get(id_) != other.get(id_) and cell in {p.cell for p in (one.get(id_), other.get(id_)) if p} for id_ in one.keys() | other.keys())  # fmt: skip


EMAIL, SMS, PHONE, LETTER = ((BANDS[4], channel) for channel in CHANNELS)
CROWD = _crowd({EMAIL: 24, SMS: 30, LETTER: 40})
FIGURES = ("people", "with_email", "latest")


def _change(people: People, **changes: Person | None) -> People:
    return {id_: p for id_, p in {**people, **changes}.items() if p is not None}


def _figures(rows: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {cell: tuple(row[name] for name in (*FIGURES, "counted_on", "suppressed")) for cell, row in rows.items()}


def test_one_person_who_comes_goes_moves_or_changes_is_in_no_difference(spark: SparkSession, tmp_path: Path) -> None:
    lake = Refreshes(spark, _table(tmp_path / "sql"))
    first = _figures(lake.refresh(CROWD))
    assert first[EMAIL] == (24, 0.3333, FIRST, FIRST, False)
    attacks: dict[str, People] = {
        "comes": _change(CROWD, new=Person(*EMAIL, has_email=True, joined_on=date(2026, 11, 3))),
        "goes": _change(CROWD, c0=None),
        "moves": _change(CROWD, c0=replace(CROWD["c0"], channel="sms")),
        "changes": _change(CROWD, c0=replace(CROWD["c0"], has_email=False)),
        "one comes and one goes": _change(CROWD, c0=None, new=Person(*EMAIL, has_email=False)),
    }
    for name, people in attacks.items():
        assert _figures(lake.refresh(people)) == first, name
    assert _figures(lake.refresh(attacks["comes"])) == first, "a repeat gives the same rows"

    # Ten more: the figures are those of the day, and ten people are in the difference.
    more = _change(CROWD, **{f"n{n}": Person(*EMAIL, has_email=True) for n in range(K)})
    grown = _figures(lake.refresh(more))
    assert grown[EMAIL] == (34, round(18 / 34, 4), FIRST, lake.day - timedelta(days=1), False)
    assert {cell: grown[cell] for cell in (SMS, LETTER)} == {cell: first[cell] for cell in (SMS, LETTER)}
    # Nine of them leave again: the row would differ by one person from the first refresh, so that one is shown again.
    back = _change(more, **{f"n{n}": None for n in range(K - 1)})
    assert _figures(lake.refresh(back)) == first
    # The same people, ten of whom lose their address: as many people changed, and that can be shown.
    lost = {id_: replace(CROWD[id_], has_email=True) for id_ in [i for i, p in CROWD.items() if p.cell == LETTER and not p.has_email][: K + 1]}  # fmt: skip
    assert _figures(lake.refresh(_change(back, **lost)))[LETTER][:2] == (40, round((14 + K + 1) / 40, 4))


def test_people_who_move_in_a_crowd_do_not_carry_one_out_with_them(spark: SparkSession, tmp_path: Path) -> None:
    """Twelve move from letter to e-mail and one joins: both cells change by enough, and their sum by one person."""
    lake = Refreshes(spark, _table(tmp_path / "sql"))
    crowd = _crowd({EMAIL: 24, SMS: 30, LETTER: 40, PHONE: 12})
    first = _figures(lake.refresh(crowd))
    movers = [id_ for id_, p in crowd.items() if p.cell == LETTER][:12]
    moved = _change(crowd, **{id_: replace(crowd[id_], channel="email") for id_ in movers}, new=Person(*EMAIL, has_email=True))
    assert _figures(lake.refresh(moved)) == first
    # Two rows that were shown become too small at the same time: then nothing of the margin is shown.
    leave = [id_ for cell, stay in ((SMS, 9), (PHONE, 9)) for id_ in [i for i, p in crowd.items() if p.cell == cell][stay:]]
    assert {row[-1] for row in _figures(lake.refresh(_change(moved, **dict.fromkeys(leave)))).values()} == {True}
    # Ten more who join beside them make the sum one of many people.
    grown = _change(moved, **{f"n{n}": Person(*EMAIL, has_email=False) for n in range(K)})
    assert _figures(lake.refresh(grown))[EMAIL][0] == 24 + 12 + 1 + K


def test_one_payment_does_not_change_a_sum_that_is_shown(spark: SparkSession, tmp_path: Path) -> None:
    table = _table(tmp_path / "sql", DEBTS, "people < 10 suppresses people, balance_pence")
    lake = Refreshes(spark, table, "debts")
    debts = [{"id": f"d{n}", "customer_id": f"c{n}", "product": "loan", "balance_pence": 100_000} for n in range(20)]
    first = lake.refresh_with(debts)
    assert [(row["people"], row["balance_pence"]) for row in first] == [(20, 2_000_000)]
    debts[7]["balance_pence"] = 60_000
    assert lake.refresh_with(debts) == first
    more = [{**debts[0], "id": f"e{n}", "customer_id": f"e{n}"} for n in range(K)]
    assert [(row["people"], row["balance_pence"]) for row in lake.refresh_with([*debts, *more])] == [(30, 2_960_000)]


def test_a_lake_remembers_what_its_refreshes_showed(spark: SparkSession, lake_uri: str, tmp_path: Path) -> None:
    """Twelve come and eleven of them go again: each time many people, and from the first to the third refresh one."""
    lake = Lake(spark, lake_uri, _table(tmp_path / "sql"))
    first = _figures(lake.refresh(CROWD))
    came = _change(CROWD, **{f"n{n}": Person(*EMAIL, has_email=True) for n in range(12)})
    assert _figures(lake.refresh(came))[EMAIL][0] == 36
    assert _figures(lake.refresh(_change(came, **dict.fromkeys([f"n{n}" for n in range(11)])))) == first


def test_only_margins_that_changed_are_remembered(spark: SparkSession, lake_uri: str, tmp_path: Path) -> None:
    """Refreshes that change nothing cost nothing, and one that changes a band costs that band's rows."""
    lake = Lake(spark, lake_uri, _table(tmp_path / "sql"))
    other = (BANDS[5], "sms")
    crowd = CROWD | _crowd({other: 20}, prefix="other")
    lake.refresh(crowd)

    def remembered() -> list[tuple[int, str]]:
        assert remember(lake.table, lake.tables)
        rows = lake.tables.read(*memory(lake.table)).select("_refresh", "birth_band").collect()
        return sorted((row[0], row[1]) for row in rows)

    first = remembered()
    assert first == [(1, BANDS[4])] * 3 + [(1, BANDS[5])]
    lake.refresh(_change(crowd, c0=None))
    assert remembered() == first
    more = _change(crowd, **{f"n{n}": Person(*other, has_email=True) for n in range(K)})
    lake.refresh(more)
    assert remembered() == [*first, (2, BANDS[5])]
    # A band that is gone for a while comes back as it was shown last, and one person less is in no difference.
    lake.refresh({id_: p for id_, p in more.items() if p.cell != other})
    assert remembered() == [*first, (2, BANDS[5])]
    assert _figures(lake.refresh(_change(more, n0=None)))[other][0] == 30


def test_another_query_begins_anew_and_another_comment_does_not(spark: SparkSession, lake_uri: str, tmp_path: Path) -> None:
    lake = Lake(spark, lake_uri, _table(tmp_path / "sql"))
    first = _figures(lake.refresh(CROWD))
    gone = _change(CROWD, c0=None)
    lake.table = _table(tmp_path / "sql", SQL + "-- Whom we can write to.\n")
    assert _figures(lake.refresh(gone)) == first
    lake.table = _table(tmp_path / "sql", SQL.replace("max(joined_on)", "min(joined_on)"))
    assert _figures(lake.refresh(gone))[EMAIL][0] == 23
    assert check_refreshes(lake.table, lake.tables) == 0, "two definitions are not compared"
    assert _figures(lake.refresh(CROWD))[EMAIL][0] == 23


def test_a_refresh_that_dies_before_it_writes_changes_nothing(spark: SparkSession, lake_uri: str, tmp_path: Path) -> None:
    lake = Lake(spark, lake_uri, _table(tmp_path / "sql"))
    first = _figures(lake.refresh(CROWD))
    for _ in range(2):
        assert remember(lake.table, lake.tables)
    assert lake.tables.read(*memory(lake.table)).count() == len(first), "remembered once"
    assert _figures(lake.refresh(_change(CROWD, c0=None))) == first


def test_the_check_finds_what_somebody_else_wrote(spark: SparkSession, lake_uri: str, tmp_path: Path) -> None:
    lake = Lake(spark, lake_uri, _table(tmp_path / "sql"))
    lake.refresh(CROWD)
    note = lake.tables.spark.sql(f"DESCRIBE HISTORY {lake.tables.sql_name('gold', 't')} LIMIT 1").collect()[0].userMetadata
    silver_frame(spark, CONTRACTS, "silver/customers", _rows(_change(CROWD, c0=None))).write.format("delta").mode(
        "overwrite"
    ).save(lake.tables.path("silver", "customers"))
    fresh = select(lake.table, spark, lake.tables.lake_uri, lake.day)
    fresh.write.format("delta").mode("overwrite").option("userMetadata", note).save(lake.tables.path("gold", "t"))
    with pytest.raises(RefreshesSubtract, match=r"^gold/t: 1 cells can be subtracted") as caught:
        check_refreshes(lake.table, lake.tables)
    assert "23" not in str(caught.value)


def _histories(seed: int, refreshes: int) -> Iterator[People]:
    """People who come, go, move and change: one at a time, in crowds, and back again."""
    chance = random.Random(seed)
    sizes = {cell: chance.choice((0, 4, 9, 10, 12, 20, 25)) for cell in product(BANDS[:8], CHANNELS)}
    people, earlier = _crowd(sizes), []
    for number in range(refreshes):
        yield people
        earlier.append(people)
        people = dict(people)
        for band in BANDS[:8]:
            here = sorted(id_ for id_, p in people.items() if p.band == band)
            act, size = (
                chance.choice(("come", "go", "move", "change", "swap", "crowd", "back", "rest")),
                chance.choice((1, 2, 9, 10, 11, 14)),
            )
            some = chance.sample(here, min(size, len(here)))
            if act in ("come", "swap", "crowd"):
                cell = (band, chance.choice(CHANNELS))
                people |= {f"{band}-{number}-{n}": Person(*cell, chance.random() < 0.5) for n in range(size)}
            if act in ("go", "swap"):
                people = {id_: p for id_, p in people.items() if id_ not in some}
            if act in ("move", "crowd"):
                target = chance.choice(CHANNELS)
                people |= {id_: replace(people[id_], channel=target) for id_ in some}
            if act == "change":
                people |= {id_: replace(people[id_], has_email=not people[id_].has_email) for id_ in some}
            if act == "back":
                past = chance.choice(earlier)
                people = {id_: p for id_, p in people.items() if p.band != band}
                people |= {id_: p for id_, p in past.items() if p.band == band}
                people.pop(next((id_ for id_ in sorted(people) if people[id_].band == band), ""), None)


def test_over_random_changes_no_two_refreshes_whatever_differ_by_few_people(spark: SparkSession, tmp_path: Path) -> None:
    refreshes = Refreshes(spark, _table(tmp_path / "sql"))
    for people in _histories(seed=11, refreshes=12):
        refreshes.refresh(people)

    compared = changed = sums = 0
    for then, now in combinations(refreshes.states, 2):
        before = {(r["birth_band"], r["preferred_channel"]): r for r in then if not r["suppressed"]}
        after = {(r["birth_band"], r["preferred_channel"]): r for r in now if not r["suppressed"]}
        differing: dict[str, int] = {}
        for cell in before.keys() & after.keys():
            compared += 1
            if before[cell] != after[cell]:
                changed += 1
                differing[cell[0]] = differing.get(cell[0], 0) + 1
                one, other = (refreshes.on[row["counted_on"]] for row in (before[cell], after[cell]))
                assert _between(one, other, cell) >= K
        sums += sum(cells > 1 for cells in differing.values())
    assert compared > 500
    assert changed > 50
    assert sums > 10
    for rows, people in zip(refreshes.states, refreshes.on.values(), strict=True):
        for row in rows:
            size = sum(p.cell == (row["birth_band"], row["preferred_channel"]) for p in people.values())
            assert row["suppressed"] or size >= K, "a row is emptied by what is true now"
            assert row["suppressed"] or row["people"] >= K
        for band in BANDS[:8]:
            cells = [row for row in rows if row["birth_band"] == band]
            hidden = [row["preferred_channel"] for row in cells if row["suppressed"]]
            total = sum(p.band == band and p.channel in hidden for p in people.values())
            assert not hidden or len(hidden) == len(cells) or (total >= K), "the rest of a total is of enough people"

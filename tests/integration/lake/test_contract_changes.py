"""Contracts change while events are under way: each event is judged by the version that it names, and the lake is told nothing but the new contract.

One story, on the real landing bucket: debts 1.0.0 and 1.1.0 were released; 2.0.0 adds a field, widens one, narrows one, and withdraws `placed_on`.
Events of all versions arrive in any order. Then the withdrawn column is emptied, which the bytes of the files prove.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row

from lake_assets.assets import deploy
from lake_assets.bronze.load import BronzeResult
from lake_assets.completeness import verify_manifests
from lake_assets.deploy.rename import COPIED, Rename, take_over, waiting_renames
from lake_assets.deploy.scrub import waiting
from lake_assets.gold.engine import build
from lake_assets.gold.errors import GrainBroken
from lake_assets.jobs import INGEST
from lake_assets.raw import progress
from lake_assets.raw.alone import closing, look
from lake_assets.transforms.fields import EntityRule
from lake_assets.transforms.rules import rules_of
from publisher import wire
from publisher.contracts import Contract
from resources.errors import SparkFailed
from resources.spark import spark_errors
from tests.integration.lake.changing import BASE, DEBTS, HIGH, Site, a_site, changed, days, loose, says, second, winner
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import START, event, line, pseudonym

FAILED = GrainBroken("gold/days", ["status"])


@dataclass
class Story:
    site: Site
    first: Contract
    now: Contract
    good: list[bytes]
    mixed: BronzeResult
    refused: dict[str, str]
    quarantine: dict[str, tuple[str, list[str]]]
    on_disk: list[int]
    emptied: list[Any]
    rows_before: list[dict[str, Any]]
    waited: list[dict[str, tuple[str, ...]]]
    halts: list[Halt]


@pytest.fixture(scope="module")
def story(lake: Lake, contracts: dict[str, Contract], empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    site = a_site(lake, empty_lake, tmp_path_factory, "changing")
    first = contracts[DEBTS]
    again, now = replace(first, version="1.1.0", description="In other words."), second(first)
    old = {version: rules_of({DEBTS: replace(first, version=version)})[DEBTS] for version in ("1.0.0", "1.1.0", "3.0.0")}
    new = rules_of({DEBTS: now})[DEBTS]

    def made(rule: EntityRule, key: int, seq: int, op: str = "update", **values: Any) -> dict[str, Any]:
        built = event(rule, key, BASE + seq, op=op)
        return changed(built, **values) if values else built

    site.deploy({DEBTS: again}, [first])
    before = [line(made(old["1.0.0"], key, key + 1, "insert", status="in_plan")) for key in range(10)]
    site.take([*before, line(made(old["1.1.0"], 9, 11, "delete"))])
    rows_before = site.rows(DEBTS)
    site.gold = days(tmp_path_factory.mktemp("sql"), site, "placed_on", "CAST(placed_on AS STRING)")
    build(site.gold["days"], site.tables.spark, site.tables.lake_uri)

    site.deploy({DEBTS: now}, [first, again, now])
    waited = [waiting(site.tables)]
    mixed = [
        line(made(new, 0, 40, balance_pence=-5000)), line(made(old["1.0.0"], 0, 39)), line(made(old["1.1.0"], 1, 38, status="returned")),
        line(made(new, 2, 37)), line(made(old["1.0.0"], 20, 12, "insert")), line(made(new, 21, 36, "insert")), line(made(old["1.1.0"], 21, 13)),
        loose(made(old["1.0.0"], 22, 14)), loose(made(new, 23, 35)), line(made(old["1.0.0"], 3, 34, "delete")),
        line(made(new, 4, 20, "delete")), line(made(old["1.1.0"], 4, 19)), line(made(old["1.1.0"], 9, 10)),
    ]  # fmt: skip
    bad = {
        "out of range": made(old["1.1.0"], 30, 90, balance_pence=-5000),
        "outside domain": made(new, 30, 91, status="returned"),
        "unknown contract version": made(old["3.0.0"], 30, 92),
        "unknown field": made(new, 30, 93, placed_on="2026-01-01"),
        "missing required field": {
            **(built := made(new, 30, 94)),
            "record": {k: v for k, v in built["record"].items() if k != "status"},
        },
    }
    lines = [*mixed, *(line(each) for each in bad.values())]
    random.Random(5).shuffle(lines)
    loaded = site.take(lines)
    quarantine = {
        row.reason: (row.entity, row.fields)
        for row in site.tables.read("ops", "quarantine").where(f"_batch = {loaded.batch}").collect()
    }
    on_disk = [site.values_on_disk("placed_on")]
    assert site.values_on_disk("placed_on", "gold/days"), "gold shows it, until it is built anew"
    site.gold = days(tmp_path_factory.mktemp("sql"), site, "status", "status")
    halts = [
        half_way(site, [first, again, now], name, error) for name, error in (("scrub", KeyboardInterrupt()), ("build", FAILED))
    ]
    site.follow([first, again, now])
    halts.append(halt(site))
    on_disk.append(site.values_on_disk("placed_on"))

    # After it: events of the former versions, late; two contents of one position; and a manifest of all but those, of events of every version.
    late = [line(made(old["1.0.0"], 24, 15)), line(made(old["1.1.0"], 0, 16))]
    strict = [line(each) for each in (made(old["1.0.0"], 22, 14), made(new, 23, 35))]
    every = [
        *before,
        line(made(old["1.1.0"], 9, 11, "delete")),
        *(each for each in mixed if each.startswith(b'{"')),
        *strict,
        *late,
    ]
    manifest = wire.manifest(
        of=DEBTS, seq_from=BASE, seq_to=BASE + HIGH, revision=0, closed_at=START + timedelta(minutes=HIGH), events=len(every),
        dead_letters=0, digest=sum(map(wire.digest_of, every)),
    ).line  # fmt: skip
    both = [line(made(new, 5, 130)), line(made(old["1.1.0"], 5, 130))]
    site.take([*late, *both, manifest])
    on_disk.append(site.values_on_disk("placed_on"))
    site.deploy({DEBTS: now}, [first, again, now])
    waited.append(waiting(site.tables))
    refused = {reason: str(each["seq"]) for reason, each in bad.items()}
    return Story(
        site, first, now, [*every, *both], loaded, refused, quarantine, on_disk, list(site.told), rows_before, waited, halts
    )


@dataclass
class Halt:
    """What is there when a run that follows a deployment has ended."""

    waits: dict[str, tuple[str, ...]]
    in_gold: int
    keeps_out: tuple[bool, bool]
    """A run of another job, and one of ingest."""


def halt(site: Site) -> Halt:
    known = look(site.tables)
    there = closing(known)
    keeps = [there is not None and there.holds(lambda run: False, what) for what in (None, INGEST)]
    return Halt(waiting(site.tables), site.values_on_disk("placed_on", "gold/days"), (keeps[0], keeps[1]))


def half_way(site: Site, released: list[Contract], name: str, error: BaseException) -> Halt:
    """A run that follows a deployment and ends at one of its steps."""

    def ends(*_: Any) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deploy, name, ends)
        with pytest.raises(type(error)):
            site.follow(released)
    return halt(site)


def test_events_of_every_released_version_are_taken_each_by_its_own_rules(story: Story) -> None:
    assert story.mixed.events == {DEBTS: 13}
    assert story.mixed.refused == dict.fromkeys(sorted(story.refused), 1)
    assert story.quarantine == {
        "out of range": (DEBTS, ["balance_pence"]), "outside domain": (DEBTS, ["status"]), "unknown contract version": (DEBTS, ["contract"]),
        "unknown field": (DEBTS, ["placed_on"]), "missing required field": (DEBTS, ["status"]),
    }  # fmt: skip


def test_silver_says_of_each_key_what_its_last_event_says_by_the_names_of_the_contract_in_force(story: Story) -> None:
    expected = {key: says(told, story.now) for key, told in winner(story.good).items()}
    rows = story.site.rows(DEBTS)
    names = [f.name for f in story.now.fields]
    assert {row["_key"]: {name: None if row[name] is None else str(row[name]) for name in names} for row in rows} == expected
    added = {row["_contract"]: row["peak_band"] for row in rows}
    assert added["1.0.0"] is None, "the added field is null where the version had none"
    assert next(row for row in rows if row["_key"] == pseudonym(0))["balance_pence"] == -5000, "the widened range"
    assert next(row for row in rows if row["_key"] == pseudonym(1))["status"] == "returned", "the former domain of a late event"
    assert next(row for row in rows if row["_key"] == pseudonym(5))["_contract"] == "2.0.0", "of one position the higher version"


def test_a_withdrawn_field_is_in_no_file_any_more_and_no_late_event_brings_it_back(story: Story) -> None:
    there, *after = story.on_disk
    assert there > 20, "the control: it was there, and would be found"
    assert after == [0, 0]
    assert story.emptied == [
        {
            "columns emptied": "placed_on",
            "values in bronze/debts": 10,
            "values in silver/debts": 7,
            "values in silver/debts_history": 10,
        },
        {  # by the run after the one that could not build gold
            "columns emptied": "placed_on",
            "values in bronze/debts": 0,
            "values in silver/debts": 0,
            "values in silver/debts_history": 0,
        },
    ]
    former = f"SELECT count(placed_on) FROM {story.site.tables.sql_name('silver', DEBTS)} VERSION AS OF 1"
    with pytest.raises(SparkFailed), spark_errors("reading a former version"):
        story.site.tables.spark.sql(former).collect()
    assert story.waited == [{DEBTS: ("placed_on",)}, {}], "it waited from the deployment until it was done, and never again"
    assert all(row["placed_on"] is None for row in [*story.site.rows(DEBTS), *story.site.rows(f"{DEBTS}_history")])


def test_a_column_waits_until_gold_is_built_without_it(story: Story) -> None:
    died, failed, done = story.halts
    assert died.waits == failed.waits == {DEBTS: ("placed_on",)}
    assert failed.in_gold, "gold could not be built, and shows it still"
    assert (done.waits, done.in_gold) == ({}, 0)


def test_a_run_that_died_at_it_keeps_the_lake_closed_to_all_but_the_next_which_first_ends_what_it_left(story: Story) -> None:
    died, failed, done = story.halts
    assert died.keeps_out == (True, False), "its VACUUM may be at work still"
    assert failed.keeps_out == done.keeps_out == (False, False)
    work = [
        [name for name in names if not name.startswith(("alone/", "deployed/look/"))]
        for names in story.site.opened[: len(story.halts)]
    ]
    assert work == [[deploy.SESSION]] * len(story.halts), (
        "one session, of the same name in each run: opening it interrupts what was left"
    )


def test_all_else_stays_as_it_was(story: Story) -> None:
    untouched = {pseudonym(key) for key in (6, 7, 8)}
    columns = [f.name for f in story.first.fields if f.name != "placed_on"]
    before = [{name: row[name] for name in columns} for row in story.rows_before if row["_key"] in untouched]
    assert [{name: row[name] for name in columns} for row in story.site.rows(DEBTS) if row["_key"] in untouched] == before
    assert len(before) == 3


def test_the_manifest_of_a_range_of_several_versions_agrees(story: Story) -> None:
    found = verify_manifests(story.site.tables, [DEBTS])[DEBTS]
    assert (found.seq, found.open) == (BASE + HIGH, ())


@pytest.mark.long
def test_in_another_order_and_in_one_batch_the_same_tables(
    story: Story, lake: Lake, contracts: dict[str, Contract], empty_lake: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All of it lands reversed, after the deployment; then the entity gets another name, and its tables follow."""
    other = a_site(lake, empty_lake, tmp_path_factory, "reversed")
    released = [story.first, replace(story.first, version="1.1.0", description="In other words."), story.now]
    other.deploy({DEBTS: story.now}, released)
    manifest = wire.manifest(
        of=DEBTS, seq_from=BASE, seq_to=BASE + HIGH, revision=0, closed_at=START, events=len(story.good) - 2, dead_letters=0,
        digest=sum(map(wire.digest_of, story.good[:-2])),
    ).line  # fmt: skip
    other.take([*reversed(story.good), manifest])
    for name in (DEBTS, f"{DEBTS}_history"):
        assert other.rows(name) == story.site.rows(name)
    assert verify_manifests(other.tables, [DEBTS])[DEBTS].seq == BASE + HIGH
    renamed(other, story, released)


def renamed(site: Site, story: Story, released: list[Contract]) -> None:
    """`debts` becomes `accounts`: what is held is taken over, what comes under the old name is the new one's, and nothing stays behind."""
    accounts = replace(story.now, entity="accounts", version="3.0.0", renamed_from=DEBTS)
    deployed = {"accounts": accounts}
    before = {name: site.rows(name) for name in (DEBTS, f"{DEBTS}_history")}
    buried = site.tables.read("ops", "tombstones").count()
    bronze = site.tables.read("bronze", DEBTS).count()
    site.deploy(deployed, released)
    wants = Rename("accounts", DEBTS)
    assert waiting_renames(site.tables, deployed, released) == [wants]
    assert site.follow(released) == [
        {
            "taken over from": DEBTS, "rows of bronze/accounts": bronze, "rows of silver/accounts": len(before[DEBTS]),
            "rows of silver/accounts_history": len(before[f"{DEBTS}_history"]),
        }
    ]  # fmt: skip
    assert waiting_renames(site.tables, deployed, released) == []

    def taken() -> list[list[dict[str, Any]]]:
        return [site.rows("accounts", but=("placed_on",)), site.rows("accounts_history", but=("placed_on",))]

    assert taken() == [[{k: v for k, v in row.items() if k != "placed_on"} for row in before[name]] for name in before]
    assert {
        row.entity: row.n
        for row in site.tables.read("ops", "tombstones").groupBy("entity").agg({"*": "count"}).toDF("entity", "n").collect()
    } == {"accounts": buried}
    left = [
        file
        for name in (f"bronze/{DEBTS}", f"silver/{DEBTS}", f"silver/{DEBTS}_history")
        for file in (site.folder / name).rglob("*.parquet")
    ]
    assert [file for file in left if "_delta_log" not in file.parts] == [], "no file of the former tables is left"

    # A run that died after it had copied does not copy again, over what has come since; what comes under the former name is the entity's.
    old, new = rules_of({DEBTS: story.first})[DEBTS], rules_of({"accounts": accounts})["accounts"]
    events = [
        line(event(old, 6, BASE + 141, op="update")),
        line(event(new, 7, BASE + 142, op="update")),
        line(event(old, 8, BASE + 143, op="delete")),
    ]
    told = [
        wire.manifest(
            of=of, seq_from=BASE + low, seq_to=BASE + high, revision=0, closed_at=START + timedelta(minutes=high), events=len(mine), dead_letters=0,
            digest=sum(map(wire.digest_of, mine)),
        ).line
        for of, low, high, mine in ((DEBTS, HIGH, 141, [*story.good[-1:], events[0]]), ("accounts", 141, 150, events[1:]))
    ]  # fmt: skip
    site.take([*events, *told, loose(event(old, 40, BASE + 160, op="insert"))])
    progress.write(site.tables, wants.progress, note=COPIED)
    assert take_over(site.tables, wants) == {}
    current = {row["_key"]: (row["_seq"], row["_contract"]) for row in site.rows("accounts")}
    assert (current[pseudonym(6)], current[pseudonym(7)]) == ((BASE + 141, "1.0.0"), (BASE + 142, "3.0.0"))
    assert current[pseudonym(40)] == (BASE + 160, "1.0.0")
    assert pseudonym(8) not in current
    spans = [row for row in site.rows("accounts_history") if row["_key"] == pseudonym(6)]
    assert [row["_seq_to"] for row in spans] == [row["_seq_from"] for row in spans[1:]] + [None]
    found = verify_manifests(site.tables, ["accounts"])["accounts"]
    # Of the range with two contents of one position the platform counted one: it stays open, and the chain waits there.
    assert (found.seq, [verdict.verdict for verdict in found.open]) == (BASE + HIGH, ["extra"])
    assert {row.of for row in _manifests(site)} == {"accounts"}


def _manifests(site: Site) -> list[Row]:
    return site.tables.read("ops", "manifests").collect()

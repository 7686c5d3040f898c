"""Proves that a batch loaded again from raw lands in the same batch: what a mended contract lets in comes to silver and history, what is the
same changes nothing, and nothing that had loaded is lost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from lake_assets.bronze.again import ReplayWouldLose
from lake_assets.raw import progress
from lake_assets.replay.again import UNDER_WAY, Replayed, left_behind, replay
from lake_assets.replay.choose import Choice, NoHour, NothingChosen, choose
from lake_assets.silver import current
from lake_assets.transforms.fields import Rules
from lake_assets.transforms.rules import rules_of
from publisher.contracts import Contract
from tests.integration.lake.conftest import Lake
from tests.integration.lake.taking import Rows, bring_history, contents, names_of, resource, take_all
from tests.unit.lake.make_events import event, line, pseudonym

NEWER = "9.0.0"
UNKNOWN = "unknown contract version"


def mended(rules: Rules) -> Rules:
    """The rules of a lake that was given the contract's newer version as well."""
    return {**rules, "debts": replace(rules["debts"], versions=(*rules["debts"].versions, NEWER))}


def newer(rules: Rules, key: int, seq: int, op: str = "insert") -> bytes:
    return line({**event(rules["debts"], key, seq, op=op), "contract": NEWER})


@pytest.fixture(scope="module")
def few(contracts: dict[str, Contract]) -> dict[str, Contract]:
    return {entity: contracts[entity] for entity in ("creditors", "debts")}


@pytest.fixture(scope="module")
def few_rules(few: dict[str, Contract]) -> Rules:
    return rules_of(few)


@dataclass
class Story:
    lake: Lake
    before: dict[str, Rows]
    chosen: dict[str, list[int]]
    died: list[int]
    results: list[Replayed]
    heard: list[tuple[int, int]]
    after: dict[str, Rows]
    quarantined_at: tuple[object, object]
    looked_again: list[int]
    again: dict[str, Rows]


@pytest.fixture(scope="module")
def story(lake: Lake, few_rules: Rules, few: dict[str, Contract]) -> Story:
    """Three batches of two hours. In the first an insert and a delete came under a version that the lake had not; an object of it is gone since."""
    debts = few_rules["debts"]
    lake.land(
        "a.gz",
        [
            line(event(debts, 1, 1)),
            line(event(debts, 2, 2)),
            newer(few_rules, 3, 3),
            newer(few_rules, 2, 4, "delete"),
            b"no JSON",
        ],
    )
    gone = lake.land("gone.gz", [line(event(few_rules["creditors"], 7, 90)), b"gone, and no JSON"])
    take_all(lake, few_rules, few)
    lake.land("b.gz", [line(event(debts, 2, 5, op="update")), line(event(debts, 3, 2, salt=1))])
    take_all(lake, few_rules, few)
    lake.prefix = "raw/2026/11/24/05/"
    lake.land("c.gz", [newer(few_rules, 4, 6), line(event(few_rules["creditors"], 1, 7))])
    take_all(lake, few_rules, few)
    bring_history(lake, few)
    tables, names = lake.tables, names_of(few)
    before = contents(tables, *names)
    lake.s3.delete_object(Bucket=lake.landing.bucket, Key=gone)
    chosen = {
        "reason": choose(tables, Choice(reasons=[UNKNOWN])),
        "reason and hour": choose(tables, Choice(reasons=[UNKNOWN], hours=["2026-11-24-05:00"])),
        "hours": choose(tables, Choice(hours=["2026-11-24-04:00", "2026-11-24-05:00"])),
        "object": choose(tables, Choice(objects=[gone])),
        "batch that there is not": choose(tables, Choice(batches=[2, 99])),
    }
    since = tables.read("ops", "quarantine").where("reason = 'not JSON'").select("object", "quarantined_at")
    old = sorted(map(tuple, since.collect()))
    heard: list[tuple[int, int]] = []

    with pytest.MonkeyPatch.context() as patch:  # it dies between bronze and silver
        patch.setattr(current, "merge_batch", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            replay(resource(lake).tables, lake.landing, mended(few_rules), list(few.values()), chosen["reason"])
    died = left_behind(tables)
    results = replay(
        resource(lake).tables, lake.landing, mended(few_rules), list(few.values()), [3],
        lambda result, of: heard.append((result.batch, of)),
    )  # fmt: skip
    looked = bring_history(lake, few)
    after = contents(tables, *names)
    new = sorted(map(tuple, since.collect()))
    replay(resource(lake).tables, lake.landing, mended(few_rules), list(few.values()), [1])
    bring_history(lake, few)
    return Story(lake, before, chosen, died, results, heard, after, (old, new), looked, contents(tables, *names))


def test_batches_are_chosen_by_reason_hour_object_and_number(story: Story) -> None:
    assert story.chosen == {
        "reason": [1, 3], "reason and hour": [3], "hours": [1, 2, 3], "object": [1], "batch that there is not": [2]
    }  # fmt: skip
    with pytest.raises(NothingChosen):
        choose(story.lake.tables, Choice())
    with pytest.raises(NoHour, match=r"hours\[1\] is no hour"):
        choose(story.lake.tables, Choice(hours=["2026-11-24-04:00", "yesterday"]))


def test_what_a_mended_contract_lets_in_lands_in_the_same_batch_and_in_silver_and_history(story: Story) -> None:
    first, last = story.results
    assert (first.batch, first.added, first.before[UNKNOWN], first.after) == (1, {}, 0, {"not JSON": 2}), (
        "bronze was there when it died"
    )
    assert (last.batch, last.added, last.before, last.after) == (3, {"debts": 1}, {UNKNOWN: 1}, {})
    assert story.heard == [(1, 2), (3, 2)]
    keys = {row._key: row._seq for row in story.lake.tables.read("silver", "debts").collect()}
    assert keys == {pseudonym(1): 1, pseudonym(2): 5, pseudonym(3): 3, pseudonym(4): 6}, (
        "of key 2 a later update holds, in another batch"
    )
    batches = {(row._seq, row._batch) for row in story.lake.tables.read("bronze", "debts").collect()}
    assert {(3, 1), (4, 1), (6, 3)} <= batches
    spans = {
        (row._seq_from, row._seq_to)
        for row in story.lake.tables.read("silver", "debts_history").where(f"_key = '{pseudonym(2)}'").collect()
    }
    assert spans == {(2, 4), (4, 5), (5, None)}, "the delete is between two changes that were there"
    assert max(story.looked_again) == 2


def test_rows_of_an_object_that_is_gone_stay_and_what_is_refused_again_keeps_its_age(story: Story) -> None:
    assert story.after["bronze/creditors"] == story.before["bronze/creditors"]
    old, new = story.quarantined_at
    assert old == new
    assert len(story.after["ops/quarantine"]) == 2


def test_a_replay_that_died_is_finished_by_the_next_and_repeated_it_changes_nothing(story: Story) -> None:
    assert story.died == [1, 3]
    assert left_behind(story.lake.tables) == []
    assert story.again == story.after


def test_a_replay_that_would_lose_rows_writes_nothing_and_says_how_many(
    story: Story, few_rules: Rules, few: dict[str, Contract]
) -> None:
    tables = story.lake.tables
    with pytest.raises(ReplayWouldLose, match=r"Batch 1 was not loaded again: .*\(2 of debts\)") as caught:
        replay(resource(story.lake).tables, story.lake.landing, few_rules, list(few.values()), [1])
    assert caught.value.lost == {"debts": 2}
    assert progress.read(tables, UNDER_WAY).note == "[]", "the others were done, and nobody tries it again"  # type: ignore[union-attr]
    assert contents(tables, *names_of(few)) == story.after


def test_a_batch_that_waits_for_its_first_load_is_left_to_it(story: Story, few_rules: Rules, few: dict[str, Contract]) -> None:
    with pytest.raises(LookupError, match=r"\[99\]"):
        replay(resource(story.lake).tables, story.lake.landing, few_rules, list(few.values()), [99])
    assert left_behind(story.lake.tables) == []

"""Proves that all tables come back together to a checkpoint, and that the batches after it load again: the lake is then equal to one that was never
touched, row for row; also when the rollback was killed half way, and behind a VACUUM, where RESTORE fails."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lake_assets.raw.batches import finished_below
from lake_assets.replay.checkpoints import HISTORY, INGEST, NoCheckpoint, as_of, record
from lake_assets.replay.lanes import history_tables, ingest_tables
from lake_assets.replay.plan import RESTORE, Plan, plan
from lake_assets.replay.rollback import RollbackUnfinished, RolledBack, begun, roll_back
from lake_assets.transforms.rules import rules_of
from publisher.contracts import Contract
from resources.delta_log import DeltaLogs
from resources.table_upkeep import keep_present_version
from resources.tables import LakeTables
from tests.integration.lake.conftest import Lake
from tests.integration.lake.taking import Rows, bring_history, contents, names_of, resource, take_all
from tests.unit.lake.make_events import event, line

ENTITIES = ("debts",)


@dataclass
class Story:
    lake: Lake
    logs: DeltaLogs
    number: int
    then: dict[str, Rows]
    undisturbed: dict[str, Rows]
    as_it_was: dict[str, int]
    dry: Plan
    touched_by_dry_run: bool
    died: int | None
    done: RolledBack
    after: dict[str, Rows]
    skipped: int
    reloaded: list[int]
    reloaded_rows: dict[str, Rows]


@pytest.fixture(scope="module")
def few(contracts: dict[str, Contract]) -> dict[str, Contract]:
    return {entity: contracts[entity] for entity in ENTITIES}


@pytest.fixture(scope="module")
def story(lake: Lake, few: dict[str, Contract]) -> Story:
    """A batch and its history, a checkpoint, two more batches; then back, and on again."""
    rules, tables, logs = rules_of(few), lake.tables, DeltaLogs(lake.uri)
    debts, names, every = rules["debts"], names_of(few), list(few.values())
    lake.land("a.gz", [line(event(debts, n, n)) for n in (1, 2, 3)] + [line(event(debts, 4, 4)), b"no JSON"])
    take_all(lake, rules, few)
    bring_history(lake, few)
    record(tables, logs, HISTORY, history_tables(few), upto_batch=1)
    number = record(tables, logs, INGEST, ingest_tables(few), upto_batch=1)
    then = contents(tables, *names)
    lake.land("b.gz", [line(event(debts, 1, 5, op="update")), line(event(debts, 2, 6, op="delete")), b"no JSON either"])
    take_all(lake, rules, few)
    lake.land("c.gz", [line(event(debts, 2, 7)), line(event(debts, 5, 8))])
    take_all(lake, rules, few)
    bring_history(lake, few)
    undisturbed = contents(tables, *names)
    was = as_of(tables, number)
    as_it_was = {name: was.read(*name.split("/")).count() for name in ("bronze/debts", "silver/debts", "silver/debts_history")}
    versions = logs.versions(names)
    dry = plan(tables, logs, every, [], number)
    touched = logs.versions(names) != versions or begun(tables) is not None

    restore, calls = LakeTables.restore, []
    with pytest.MonkeyPatch.context() as patch:  # it is killed between two tables

        def dies(self: LakeTables, layer: str, name: str, version: int) -> None:
            calls.append(name)
            if len(calls) > 2:
                raise KeyboardInterrupt
            restore(self, layer, name, version)

        patch.setattr(LakeTables, "restore", dies)
        with pytest.raises(KeyboardInterrupt):
            roll_back(resource(lake).tables, logs, every, {}, number)
    died = begun(tables)
    with pytest.raises(RollbackUnfinished, match="repeat that one first"):
        roll_back(resource(lake).tables, logs, every, {}, number - 1)
    done = roll_back(resource(lake).tables, logs, every, {}, number)
    after = contents(tables, *names)
    later = tables.read("bronze", "debts", versions["bronze", "debts"]).where("_batch = 2")
    tables.append("bronze", "debts", later, batch=2, generation=0)  # the trap: RESTORE has kept this id
    skipped = tables.read("bronze", "debts").where("_batch = 2").count()
    reloaded = take_all(lake, rules, few)
    bring_history(lake, few)
    reloaded_rows = contents(tables, *names)

    return Story(
        lake, logs, number, then, undisturbed, as_it_was, dry, touched, died, done, after, skipped, reloaded, reloaded_rows
    )  # fmt: skip


def test_as_of_reads_one_consistent_set(story: Story) -> None:
    assert story.as_it_was == {name: story.then[name].total() for name in story.as_it_was}
    with pytest.raises(NoCheckpoint, match="There is no checkpoint 999: the newest is "):
        as_of(story.lake.tables, 999)


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(story: Story) -> None:
    assert not story.touched_by_dry_run
    assert (story.dry.why, story.dry.upto_batch, story.dry.batches) == (None, 1, [2, 3])
    assert {"silver/debts", "bronze/debts", "silver/debts_history", "ops/batches"} <= {
        step.name for step in story.dry.of(RESTORE)
    }
    assert "load again: 2 to 3" in story.dry.as_markdown()


def test_killed_between_two_tables_and_repeated_all_tables_are_as_they_were(story: Story) -> None:
    assert story.died == story.number
    assert begun(story.lake.tables) is None
    assert story.after == story.then


def test_restore_keeps_transaction_ids_so_batches_load_under_a_new_generation(story: Story) -> None:
    assert story.skipped == 0, "Delta skips in silence what it was given under the old id"
    assert story.done.generation > 0


def test_the_batches_after_it_load_again_and_the_lake_is_as_if_undisturbed(story: Story) -> None:
    assert story.reloaded == [2, 3]
    assert story.reloaded_rows == story.undisturbed
    assert finished_below(story.lake.tables) == 3


@pytest.mark.long
def test_behind_a_vacuum_the_tables_are_rebuilt_from_bronze_to_the_same_rows(story: Story, few: dict[str, Contract]) -> None:
    lake, tables, names = story.lake, story.lake.tables, names_of(few)
    keep_present_version(
        tables, "silver", "debts"
    )  # writes out what deletion vectors hide, so that no file of before is needed any more
    rebuilt = roll_back(resource(lake).tables, story.logs, list(few.values()), {}, story.number)
    assert "silver/debts are gone" in (rebuilt.plan.why or "")
    assert not rebuilt.plan.of(RESTORE)
    assert rebuilt.generation > story.done.generation
    assert contents(tables, *names) == story.then
    take_all(lake, rules_of(few), few)
    bring_history(lake, few)
    assert contents(tables, *names) == story.undisturbed

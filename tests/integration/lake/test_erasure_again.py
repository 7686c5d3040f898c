"""Behind an erasure batches are loaded again, by a replay and after a rollback: what comes late of erased persons is counted once, cleaned, and
not missed; who was asked for meanwhile, or only comes to be named, is erased by the next one."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace

import pytest

from lake_assets.bronze.conservation import Conservation
from lake_assets.bronze.erased import tell_apart
from lake_assets.erasure import requests
from lake_assets.erasure.codes import Codes, person_digest, row_digest
from lake_assets.erasure.receipt import Receipt
from lake_assets.erasure.run import LOOKED, Due, due
from lake_assets.raw import progress
from lake_assets.raw.batches import Batch
from lake_assets.replay.again import Replayed, replay
from lake_assets.replay.checkpoints import HISTORY, INGEST, record
from lake_assets.replay.lanes import history_tables, ingest_tables
from lake_assets.replay.plan import RESTORE
from lake_assets.replay.rollback import roll_back
from lake_assets.transforms.rules import rules_of
from publisher.contracts import Contract
from resources.delta_log import DeltaLogs
from tests.integration.lake.conftest import Lake
from tests.integration.lake.erasing import DEBTS, FIRST, LATER, OTHER, SECOND, Rows, about
from tests.integration.lake.erasing import Story as Told
from tests.integration.lake.taking import resource
from tests.unit.lake.make_events import pseudonym

NEWER = "9.0.0"
"""A version that the lake comes to know later."""

BACK = 0
"""Erased with FIRST, and written again since."""

GONE = (FIRST, SECOND, OTHER, DEBTS + FIRST)


@dataclass
class Story:
    told: Told
    receipts: list[Receipt | None]
    waited: list[int]
    first: Conservation
    reloaded: Conservation
    due: Due
    replayed: list[Replayed]
    again: Conservation
    rows: dict[str, Rows]
    rows_again: dict[str, Rows]
    raw: bytes


@pytest.fixture(scope="module")
def few(contracts: dict[str, Contract]) -> dict[str, Contract]:
    return {entity: contracts[entity] for entity in ("customers", "debts")}


@pytest.fixture(scope="module")
def story(lake: Lake, few: dict[str, Contract]) -> Story:
    """Three erasures. FIRST is named at once, OTHER asked for while that one runs, and the event that names SECOND is refused until a replay."""
    rules = rules_of(few)
    told, tables, logs = Told(lake, few, rules), lake.tables, DeltaLogs(lake.uri)
    waited: list[int] = []

    def newer(person: int, seq: int, op: str) -> bytes:
        return json.dumps(
            {**json.loads(about(rules, "customers", person, person, seq, op)), "contract": NEWER}, separators=(",", ":")
        ).encode()

    def ask(step: str) -> None:
        if step == "proof":
            requests.ask(tables, [person_digest(pseudonym(OTHER))])

    lake.land("first.gz", [about(rules, "customers", n, n, 10 + n) for n in range(6)] + [about(rules, "debts", DEBTS + 1, 1, 21)])
    told.ingest()
    erased = [about(rules, "customers", n, n, seq, "erase") for n, seq in ((FIRST, 30), (BACK, 32))]
    lake.land("asked.gz", [*erased, newer(SECOND, 31, "erase")])
    told.ingest()
    receipts = [told.erase(ask)]
    waited.append(requests.waiting(tables))
    later = [about(rules, "customers", n, n, seq, "update") for n, seq in ((LATER, 41), (BACK, 44))]
    lake.land("late.gz", [newer(FIRST, 28, "update"), *later])
    told.ingest()
    receipts.append(told.erase())
    waited.append(requests.waiting(tables))

    record(tables, logs, HISTORY, history_tables(few), upto_batch=3)
    number = record(tables, logs, INGEST, ingest_tables(few), upto_batch=3)
    lake.land("later.gz", [about(rules, "customers", FIRST, FIRST, 29, "update"), about(rules, "customers", 5, 5, 42, "update")])
    first = told.ingest().bronze[-1].conservation
    assert roll_back(resource(lake).tables, logs, list(few.values()), {}, number).plan.of(RESTORE)
    reloaded = told.ingest().bronze[-1].conservation

    mended = {**rules, "customers": replace(rules["customers"], versions=(*rules["customers"].versions, NEWER))}
    replay(resource(lake).tables, lake.landing, mended, list(few.values()), [2, 3])
    told.ingest()  # histories
    wanted = due(tables, few)
    receipts.append(told.erase())
    waited.append(requests.waiting(tables))
    rows = told.everything()
    replayed = replay(resource(lake).tables, lake.landing, mended, list(few.values()), [2, 3, 4])
    roll_back(resource(lake).tables, logs, list(few.values()), {}, number)
    again = told.ingest().bronze[-1].conservation
    return Story(
        told, receipts, waited, first, reloaded, wanted, replayed, again, rows, told.everything(), b"".join(told.bodies().values())
    )  # fmt: skip


def test_who_is_asked_for_while_an_erasure_runs_waits_for_the_next(story: Story) -> None:
    assert story.waited[:2] == [1, 0]
    assert [each and each.people for each in story.receipts[:2]] == [2, 1]
    assert pseudonym(OTHER) not in repr(story.rows["bronze/customers"])
    [asked] = story.told.lake.tables.read("ops", "erased").where(f"code = '{person_digest(pseudonym(OTHER))}'").collect()
    assert asked.erasure == 2


def test_who_came_back_stays_and_no_later_erasure_takes_it_for_unproven(story: Story) -> None:
    """The second one searches for all who were ever erased, by digest."""
    assert all(story.receipts)
    assert pseudonym(BACK) in repr(story.rows["silver/customers"])


def test_a_batch_with_late_events_that_loads_again_after_a_rollback_counts_them_once(story: Story) -> None:
    assert (story.first.read, story.first.erased, story.first.holds) == (2, 1, True)
    assert (story.reloaded.read, story.reloaded.erased, story.reloaded.holds) == (2, 1, True)


def test_whom_a_replayed_batch_names_is_erased_and_what_it_drops_is_cleaned(story: Story) -> None:
    assert (list(story.due.named), story.due.late) == ([person_digest(pseudonym(SECOND))], True)
    assert story.receipts[2] is not None
    assert (story.receipts[2].people, story.waited[2]) == (1, 0)
    assert not Codes({pseudonym(n): 0 for n in GONE}).in_bytes(story.raw)
    assert not any(pseudonym(n) in repr(rows) for n in GONE for rows in story.rows.values())
    assert not due(story.told.lake.tables, story.told.contracts)


def test_what_an_erasure_has_cleaned_is_not_counted_when_its_batch_loads_again(story: Story) -> None:
    assert [(each.batch, each.conservation.read, each.conservation.erased) for each in story.replayed] == [
        (2, 0, 0), (3, 2, 0), (4, 1, 0)
    ]  # fmt: skip
    assert (story.again.read, story.again.erased, story.again.holds) == (1, 0, True)
    assert story.rows_again == story.rows
    noted = Counter((row.how, row._batch) for row in story.told.lake.tables.read("ops", "adjustments").collect())
    assert (noted["cleaned", 3], noted["cleaned", 4]) == (1, 1)
    assert not [how for how, _ in noted if how == "dropped"], "manifests go on to count what was cleaned"


def test_a_rollback_has_erase_events_of_the_batches_behind_it_looked_at_again(story: Story) -> None:
    looked = progress.read(story.told.lake.tables, LOOKED)
    assert looked is not None
    assert (looked.position, looked.note) == (3, "3")


def test_a_row_that_was_erased_under_its_entitys_former_name_is_not_let_in(story: Story) -> None:
    tables = story.told.lake.tables
    gone, part = pseudonym(DEBTS + FIRST), row_digest("debts", pseudonym(DEBTS + FIRST))
    assert tables.read("ops", "erased").where(f"code = '{part}'").count() == 1
    rows = [(gone, None, 60, 1, "delete", "o", 9), (pseudonym(DEBTS + SECOND), None, 61, 2, "delete", "o", 9)]
    late = tables.spark.createDataFrame(
        rows, "_key STRING, _subject STRING, _seq BIGINT, _digest BIGINT, _op STRING, _object STRING, _batch BIGINT"
    )
    left, dropped = tell_apart(tables, Batch(9, (), erasures=3), {"accounts": late}, {"accounts": ("accounts", "debts")})
    assert ([row._seq for row in left["accounts"].collect()], dropped) == ([61], {"accounts": 1})

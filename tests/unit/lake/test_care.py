"""From when on a table is crowded or worn, which of its files are waste, and which properties it lacks: from what its log tells."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from lake_assets.care.lanes import HISTORY, INGEST, every_table, lanes
from lake_assets.care.look import Bounds, look
from lake_assets.care.properties import _lacks
from lake_assets.care.vacuum import _is_over, kept, wasteful
from lake_assets.gold.load import load_gold
from lake_assets.raw.lake import tables_of
from publisher.contracts import load_contracts
from resources.delta_log import DeltaLogs, Stored
from resources.delta_snapshot import LiveFile, Snapshot
from resources.table_schema import UPKEEP

TABLE = ("silver", "debts")
BOUNDS = Bounds(files=3, small_bytes=100, large_bytes=1000, hidden_share=0.2)
DAY = 86_400.0


def file(size: int, *, hidden: int = 0, rows: int | None = 10, partition: str = "") -> LiveFile:
    stats = None if rows is None else f'{{"numRecords":{rows}}}'
    return LiveFile("f", size, (("day", partition),), "v" if hidden else None, hidden, stats)


def table(files: Sequence[LiveFile], **removed: int) -> Snapshot:
    return Snapshot(TABLE, 7, tuple(files), removed, {})


def test_small_files_crowd_only_beside_others_of_their_partition() -> None:
    many_days = look(table([file(1, partition=str(day)) for day in range(50)]), BOUNDS)
    assert (many_days.crowd, many_days.needs(BOUNDS)) == (0, False)
    one_day = look(table([*(file(1) for _ in range(5)), file(100)]), BOUNDS)
    assert (one_day.files, one_day.crowd, one_day.small_bytes, one_day.size_bytes) == (6, 4, 5, 105)
    assert one_day.needs(BOUNDS)
    assert not look(table([file(1)] * 4), BOUNDS).needs(BOUNDS)


def test_a_large_file_with_many_hidden_rows_is_worn_beside_another_to_join_and_a_small_one_is_not() -> None:
    assert look(table([file(100, hidden=3), file(1)]), BOUNDS).needs(BOUNDS)
    assert look(table([file(100, hidden=3), file(100, hidden=3)]), BOUNDS).worn == 2
    assert not look(table([file(100, hidden=2), file(1)]), BOUNDS).needs(BOUNDS)
    alone = [file(100, hidden=3), file(100), file(1, partition="another")]
    assert look(table(alone), BOUNDS).worn == 0, "OPTIMIZE writes no file anew alone, and would be asked for ever"
    assert look(table([file(100, hidden=3), file(901, hidden=3)]), BOUNDS).worn == 0, "too large together"
    small = look(table([file(99, hidden=9)]), BOUNDS)
    assert (small.worn, small.rows, small.hidden) == (0, 1, 9)
    assert look(table([file(100, rows=None)]), BOUNDS).rows is None


def test_waste_is_old_by_its_writing_and_by_when_it_went() -> None:
    now = time.time()
    week, old, new = now - 7 * DAY, Stored(1, now - 30 * DAY), Stored(1, now - DAY)
    gone = table([], yesterday=int((now - DAY) * 1000), long_ago=int((now - 8 * DAY) * 1000))
    assert _is_over(gone, "long_ago", old, week)
    assert _is_over(gone, "never committed", old, week), "nobody remembers when it went, if ever it was there"
    assert not _is_over(gone, "yesterday", old, week), "what was there yesterday can be read for six days more"
    assert not _is_over(gone, "being written", new, week)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, timedelta(days=7)),
        ("interval 30 days", timedelta(days=30)),
        ("INTERVAL 1 week", timedelta(days=7)),
        ("interval 0 seconds", timedelta(0)),
        ("2 days 12 hours", timedelta(days=2, hours=12)),
        ("interval 99999999999 weeks", timedelta.max),
        ("interval 1 month", timedelta(days=7)),
        ("interval soon", timedelta(days=7)),
    ],
)
def test_a_table_says_how_long_its_files_are_kept(said: str | None, expected: timedelta) -> None:
    assert kept({} if said is None else {"delta.deletedFileRetentionDuration": said}) == expected


def test_what_a_table_keeps_for_longer_is_no_waste_and_what_it_keeps_for_less_is(tmp_path: Path) -> None:
    """Else the lake would be closed every night for nothing, or a file stay for longer than was asked."""
    logs, log = DeltaLogs(tmp_path.as_uri()), tmp_path / "silver" / "debts" / "_delta_log"
    log.mkdir(parents=True)
    gone = log.parent / "gone.parquet"
    gone.write_bytes(b"rows")
    for days, said, waste in (
        (8, "7 days", 1),
        (8, "30 days", 0),
        (31, "30 days", 1),
        (2, "7 days", 0),
        (2, "interval 1 day", 1),
    ):
        at = time.time() - days * DAY
        os.utime(gone, (at, at))
        actions = [
            {"metaData": {"configuration": {"delta.deletedFileRetentionDuration": said}}},
            {"remove": {"path": gone.name, "deletionTimestamp": int(at * 1000)}},
        ]
        (log / f"{0:020d}.json").write_text("\n".join(map(json.dumps, actions)))
        assert sum(each.waste for each in wasteful(logs, [TABLE])) == waste, f"gone for {days} days, {said}"


def test_a_table_gets_what_it_lacks_and_keeps_what_an_operator_set() -> None:
    former = {"delta.setTransactionRetentionDuration": "interval 3650 days"}
    assert _lacks(former) == UPKEEP
    own = {"delta.setTransactionRetentionDuration": "interval 90 days", "delta.deletedFileRetentionDuration": "interval 30 days"}
    assert _lacks(own) == {"delta.enableDeletionVectors": "true"}
    assert _lacks(UPKEEP) == {}


def test_every_table_is_cared_for_and_none_in_two_lanes() -> None:
    contracts = load_contracts(Path("contracts"))
    gold = load_gold(contracts)
    by_lane = lanes(contracts, gold)
    compacted = [table for found in by_lane.values() for table in found]
    made = {(table.layer, table.name) for table in tables_of(contracts)}
    assert len(compacted) == len(set(compacted))
    assert made <= set(compacted)
    assert {*compacted, ("ops", "progress"), *(("gold", name) for name in gold)} == set(every_table(contracts, gold))
    assert ("silver", "debts") in by_lane[INGEST]
    assert by_lane[HISTORY] == [("silver", f"{entity}_history") for entity in contracts]

"""Compaction: the small files of a lane's crowded tables are joined.

Belongs here: which tables, and what it gained. Not here: bounds (look.py), the statement (resources/table_upkeep.py), keeping the lane's other runs away (assets/care.py).

One commit a table, so whatever dies leaves each table as it was or as it shall be. Rows, versions and transaction ids stay: a checkpoint from before is read and restored as
ever, until its files are vacuumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lake_assets.care.look import BOUNDS, Bounds, Look, look
from lake_assets.raw.session import SMALL_BYTES, interpreted
from lake_assets.silver.current import OpenTables
from resources.delta_log import DeltaLogs, Table
from resources.delta_snapshot import snapshot, snapshots
from resources.errors import ResourceError
from resources.table_upkeep import compact

THREADS = 4


class RowsChanged(ResourceError):
    """A table has other rows after its compaction than before."""

    def __init__(self, name: str, version: int, before: int, after: int) -> None:
        super().__init__(
            f"{name} has {after} rows after its compaction, and had {before}: nothing that joins files may do that. Go back to a checkpoint of before "
            f"(the table's version was {version}) and keep compaction off until it is understood."
        )


@dataclass(frozen=True)
class Compacted:
    """A table before and after, and how long it took."""

    before: Look
    after: Look
    seconds: float


def crowded(logs: DeltaLogs, tables: Iterable[Table], bounds: Bounds = BOUNDS) -> list[Look]:
    """Those of the tables that are to be compacted."""
    return [seen for found in snapshots(logs, tables).values() if (seen := look(found, bounds)).needs(bounds)]


def compact_tables(
    open_tables: OpenTables,
    logs: DeltaLogs,
    tables: Iterable[Table],
    bounds: Bounds = BOUNDS,
    tell: Callable[[Compacted], None] = lambda done: None,
) -> list[Compacted]:
    """Compacts those of the tables that need it, several at a time. Nobody may merge or replace rows of them meanwhile; appends may go on.

    `tell` hears of each. Raises SparkFailed, and RowsChanged; the other tables are then done all the same.
    """

    def one(before: Look) -> Compacted:
        began = time.monotonic()
        # A client that died leaves its statement running, and it may still commit: whoever opens the same name ends that first.
        with (
            open_tables(f"compaction/{before.name}") as mine,
            interpreted(mine.spark, small=before.small_bytes < SMALL_BYTES and not before.worn),
        ):
            compact(
                mine,
                *before.table,
                small_bytes=bounds.small_bytes,
                large_bytes=bounds.large_bytes,
                hidden_share=bounds.hidden_share,
            )
        after = look(snapshot(logs, before.table), bounds)
        alone = after.version == before.version + 1  # no other commit between: an operator's DELETE, say
        if alone and before.rows is not None and after.rows is not None and after.rows != before.rows:
            raise RowsChanged(before.name, before.version, before.rows, after.rows)
        done = Compacted(before, after, time.monotonic() - began)
        tell(done)
        return done

    with ThreadPoolExecutor(THREADS) as pool:
        return [started.result() for started in [pool.submit(one, each) for each in crowded(logs, tables, bounds)]]


def as_markdown(done: Sequence[Compacted]) -> str:
    """What it gained, for the UI."""
    rows = "\n".join(
        f"| {each.before.name} | {each.before.files:,} → {each.after.files:,} | {each.before.size_bytes:,} → {each.after.size_bytes:,} "
        f"| {each.before.hidden - each.after.hidden:,} | {each.seconds:.1f} |"
        for each in sorted(done, key=lambda each: each.before.name)
    )
    return f"| table | files | bytes | hidden rows purged | seconds |\n|---|---|---|---|---|\n{rows}"

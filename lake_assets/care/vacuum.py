"""Vacuum: files that no version of the last days needs are deleted.

Belongs here: which tables have such files, and what it gained. Not here: an erasure's vacuum, which keeps nothing (erasure/files.py); having the lake to oneself (assets/care.py).

A table's `delta.deletedFileRetentionDuration`, seven days unless an operator set it, from when a file went out of it: as long each version that was the present one can be read (`as_of`) and restored. To go
further back, rollback writes the tables anew from bronze, of which no row is ever vacuumed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from lake_assets.silver.current import OpenTables
from resources.delta_log import DeltaLogs, Stored, Table
from resources.delta_snapshot import Snapshot, snapshots
from resources.table_schema import FILES_KEPT_DAYS
from resources.table_upkeep import vacuum

THREADS = 4
PROPERTY = "delta.deletedFileRetentionDuration"
UNITS = ("microsecond", "millisecond", "second", "minute", "hour", "day", "week")
"""Of a length of time as Delta writes it: months and years it refuses."""

_PARTS = re.compile(rf"(\d+)\s+({'|'.join(UNITS)})s?")
_INTERVAL = re.compile(rf"(?:interval\s+)?{_PARTS.pattern}(?:\s+{_PARTS.pattern})*")


@dataclass(frozen=True)
class Waste:
    """A table's folder: all files in it, and those that are older than is kept and that nothing needs."""

    table: Table
    files: int
    size_bytes: int
    waste: int
    waste_bytes: int

    @property
    def name(self) -> str:
        return "/".join(self.table)


@dataclass(frozen=True)
class Vacuumed:
    """A table before and after, and how long it took."""

    before: Waste
    after: Waste
    seconds: float


def kept(properties: Mapping[str, str]) -> timedelta:
    """How long a table keeps files that went out of it, by its properties; seven days where they do not say, or say it in another way than `interval 30 days`."""
    said = properties.get(PROPERTY, "").strip().lower()
    if not _INTERVAL.fullmatch(said):
        return timedelta(days=FILES_KEPT_DAYS)
    try:
        return sum((timedelta(**{f"{unit}s": int(number)}) for number, unit in _PARTS.findall(said)), timedelta())
    except OverflowError:
        return timedelta.max


def wasteful(logs: DeltaLogs, tables: Iterable[Table]) -> list[Waste]:
    """The tables that have files to delete: names and times are listed, and no Spark is asked, so that the lake need not be closed for nothing."""
    present = snapshots(logs, tables)
    with ThreadPoolExecutor(THREADS) as pool:
        return [found for found in pool.map(lambda each: _waste(logs, each), present.values()) if found.waste]


def vacuum_tables(
    open_tables: OpenTables,
    logs: DeltaLogs,
    tables: Iterable[Table],
    tell: Callable[[Vacuumed], None] = lambda done: None,
) -> list[Vacuumed]:
    """Vacuums those of the tables that have files to delete. Nobody else is at work. `tell` hears of each. Raises SparkFailed; repeated, it goes on."""

    def one(before: Waste) -> Vacuumed:
        began = time.monotonic()
        with open_tables(f"vacuum/{before.name}") as mine:
            vacuum(mine, *before.table)
        [present] = snapshots(logs, [before.table]).values()
        done = Vacuumed(before, _waste(logs, present), time.monotonic() - began)
        tell(done)
        return done

    with ThreadPoolExecutor(THREADS) as pool:
        return [started.result() for started in [pool.submit(one, each) for each in wasteful(logs, tables)]]


def as_markdown(done: Sequence[Vacuumed]) -> str:
    """What it gained, for the UI."""
    rows = "\n".join(
        f"| {each.before.name} | {each.before.files:,} → {each.after.files:,} | {each.before.size_bytes:,} → {each.after.size_bytes:,} | {each.seconds:.1f} |"
        for each in sorted(done, key=lambda each: each.before.name)
    )
    return f"| table | files | bytes | seconds |\n|---|---|---|---|\n{rows}"


def _waste(logs: DeltaLogs, present: Snapshot) -> Waste:
    """What VACUUM would find: files that are not of the present version, were written before the time that is kept, and went out of the table before it, too."""
    since = time.time() - kept(present.properties).total_seconds()
    stored, needed = logs.stored(present.table), present.names
    old = [file for name, file in stored.items() if name not in needed and _is_over(present, name, file, since)]
    return Waste(present.table, len(stored), sum(each.size for each in stored.values()), len(old), sum(each.size for each in old))


def _is_over(present: Snapshot, name: str, file: Stored, since: float) -> bool:
    return file.modified < since and present.removed.get(name, 0) / 1000 < since

"""What a table looks like: how many files, which of them too small, how many rows hidden. And from when on that is too much.

Belongs here: numbers from the log, and the bounds. Not here: reading the log (resources/delta_snapshot.py), doing anything about it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from resources.delta_log import Table
from resources.delta_snapshot import LiveFile, Snapshot


@dataclass(frozen=True)
class Bounds:
    """From when on a table is compacted, and into what.

    `files`: so many small files may be there that could be joined with another. `small_bytes`: below this a file is small. A compaction writes only such
    files anew, each at most some times until it is larger, whatever the table has grown to. `hidden_share`: of the rows of a file that is not small, so many may be
    hidden by its deletion vector.
    """

    files: int = 50
    small_bytes: int = 16 << 20
    large_bytes: int = 128 << 20
    hidden_share: float = 0.2


BOUNDS = Bounds()


@dataclass(frozen=True)
class Look:
    """A table as its log tells of it. `rows` are those that a reader sees; None where the log does not know.

    `crowd` counts the small files that could be joined with another of their partition; `worn` the large ones with too many hidden rows, of which the same holds:
    Delta's OPTIMIZE writes no file anew alone.
    """

    table: Table
    version: int
    files: int
    crowd: int
    worn: int
    size_bytes: int
    small_bytes: int
    rows: int | None
    hidden: int

    @property
    def name(self) -> str:
        return "/".join(self.table)

    def needs(self, bounds: Bounds) -> bool:
        """Whether it is to be compacted."""
        return self.crowd > bounds.files or self.worn > 0


def look(found: Snapshot, bounds: Bounds = BOUNDS) -> Look:
    """Looks at a table."""
    small = [file for file in found.files if file.size < bounds.small_bytes]
    # A partition's last small file has no other to be joined with: a ledger of a thousand days has a thousand of them, and that is no crowd.
    crowd = sum(count - 1 for count in Counter(file.partition for file in small).values())
    worn = [file for file in found.files if _is_worn(file, bounds)]
    rows = [file.rows for file in found.files]
    hidden = sum(file.hidden for file in found.files)
    return Look(
        table=found.table,
        version=found.version,
        files=len(found.files),
        crowd=crowd,
        worn=sum(any(_joins(file, other, bounds) for other in small + worn) for file in worn),
        size_bytes=sum(file.size for file in found.files),
        small_bytes=sum(file.size for file in small),
        rows=None if None in rows else sum(count for count in rows if count is not None) - hidden,
        hidden=hidden,
    )


def _is_worn(file: LiveFile, bounds: Bounds) -> bool:
    return file.size >= bounds.small_bytes and bool(file.rows) and file.hidden > bounds.hidden_share * (file.rows or 0)


def _joins(file: LiveFile, other: LiveFile, bounds: Bounds) -> bool:
    return other is not file and other.partition == file.partition and other.size + file.size <= bounds.large_bytes

"""Which step each combination of a k-group is released at: what the relay asks for each row.

Belongs here: the look-up in memory. Not here: where it is stored (store.py), how it came about (assign.py).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from publisher.contracts.kgroups import KGroup

DIGEST_BYTES = 16


@dataclass(frozen=True)
class Table:
    """The steps of one group: digests of combinations in order, and a byte for the step of each. 17 bytes a combination."""

    digests: bytes = b""
    steps: bytes = b""

    @classmethod
    def of(cls, rows: Iterable[tuple[bytes, int]]) -> Table:
        """From rows `(digest, step)`, in any order."""
        ordered = sorted(rows)
        return cls(b"".join(digest for digest, _ in ordered), bytes(step for _, step in ordered))

    def find(self, digest: bytes) -> int | None:
        """The step of a combination, or None for one that nobody has looked at."""
        index = bisect_left(range(len(self.steps)), digest, key=self._digest)
        return self.steps[index] if index < len(self.steps) and self._digest(index) == digest else None

    def _digest(self, index: int) -> bytes:
        return self.digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]


@dataclass(frozen=True)
class Steps:
    """All groups' steps, as of one version of the coarsening. Version 0 is before anybody has looked: every group is silent."""

    version: int = 0
    tables: Mapping[tuple[str, str], Table] = field(default_factory=dict)

    def step(self, group: KGroup, digest: bytes) -> int:
        """The step of a combination; one not seen before gets the last, at which the group says nothing."""
        table = self.tables.get((group.entity, group.name))
        found = table.find(digest) if table is not None else None
        return group.silent if found is None else min(found, group.silent)


class Ungated(Steps):
    """As a publisher released that knew no gate: to repeat what it had put, byte for byte."""

    def step(self, group: KGroup, digest: bytes) -> int:
        """See Steps."""
        return 0

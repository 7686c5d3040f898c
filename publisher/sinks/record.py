"""What a sink takes and gives. Belongs here: the protocol. Not here: any sink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """One stream record: the JSON lines of one partition, each ending in a newline."""

    partition: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that was not acknowledged, and why, in a few words without a value. It may have arrived all the same."""

    record: Record
    reason: str


class Sink(Protocol):
    """Puts records once. Never raises for a record that fails: it is returned, to be put again."""

    def put(self, records: Sequence[Record]) -> list[Failure]:
        """One attempt for each record. Those that are not returned are acknowledged."""
        ...

"""Packing: the waiting events of each partition, and records made of them.

Belongs here: queues and limits. Not here: what is on its way (flight.py), what a sink does with a record (sinks/).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from publisher.manifest import ManifestEvent
from publisher.sinks.record import Record
from publisher.wire import ReleasedEvent

RECORD_LIMIT = 900 * 1024
"""A Kinesis record holds 1 MiB with its partition key; the rest is room for a stream that counts otherwise."""

FLIGHT_LIMIT = 16 * 1024 * 1024
"""All that is on its way at once: what a crash may repeat, and what memory it takes."""

Outgoing = ReleasedEvent | ManifestEvent


@dataclass(frozen=True, slots=True)
class Packed:
    """A record, and what to acknowledge when it has arrived."""

    record: Record
    release: str
    """The digest of the release that made its events, all of them."""
    events: tuple[ReleasedEvent, ...]
    manifests: tuple[ManifestEvent, ...]


class Waiting:
    """The events that wait in memory, by partition, oldest first."""

    def __init__(self) -> None:
        self._queues: dict[int, deque[tuple[str, Outgoing]]] = {}
        self.size_bytes = 0
        self.count = 0

    def add(self, items: Iterable[Outgoing], release: str) -> None:
        """Appends to the queues of their partitions what was made under a release."""
        queues = self._queues
        for item in items:
            event = item.event if isinstance(item, ManifestEvent) else item
            queue = queues.get(event.partition)
            if queue is None:
                queue = queues[event.partition] = deque()
            queue.append((release, item))
            self.size_bytes += len(event.line) + 1
            self.count += 1

    def drop(self, seqs: Collection[int]) -> None:
        """Forgets events whose rows an erasure has purged."""
        for partition, queue in list(self._queues.items()):
            kept = deque((r, item) for r, item in queue if isinstance(item, ManifestEvent) or item.seq not in seqs)
            if len(kept) == len(queue):
                continue
            self.count -= len(queue) - len(kept)
            self.size_bytes -= _size(queue) - _size(kept)
            if kept:
                self._queues[partition] = kept
            else:
                del self._queues[partition]

    def pack(self, busy: Collection[int], room_bytes: int = FLIGHT_LIMIT) -> list[Packed]:
        """One record for each partition that has none on its way, until `room_bytes` are used.

        At most one record a partition: a second one could overtake the first when the first fails. A partition that was served goes to the end
        of the line, so that under a limit each has its turn.
        """
        packed: list[Packed] = []
        for partition in [p for p in self._queues if p not in busy]:
            if room_bytes < RECORD_LIMIT:
                break
            queue = self._queues.pop(partition)
            one = self._take(partition, queue)
            packed.append(one)
            room_bytes -= len(one.record.data)
            if queue:
                self._queues[partition] = queue
        return packed

    def _take(self, partition: int, queue: deque[tuple[str, Outgoing]]) -> Packed:
        """As many lines as fit, of one release: a successor repeats a record under the one that its claim names."""
        release = queue[0][0]
        items: list[Outgoing] = []
        lines: list[bytes] = []
        size = 0
        while queue and queue[0][0] == release:
            item = queue[0][1]
            line = item.event.line if isinstance(item, ManifestEvent) else item.line
            if size + len(line) + 1 > RECORD_LIMIT:
                break
            items.append(queue.popleft()[1])
            lines.append(line)
            size += len(line) + 1
        self.size_bytes -= size
        self.count -= len(items)
        return packed_of(partition, release, items, lines)


def _size(queue: Iterable[tuple[str, Outgoing]]) -> int:
    return sum(len((item.event if isinstance(item, ManifestEvent) else item).line) + 1 for _, item in queue)


def packed_of(partition: int, release: str, items: Iterable[Outgoing], lines: Iterable[bytes]) -> Packed:
    """Joins lines that are known to fit; each ends in a newline."""
    events: list[ReleasedEvent] = []
    manifests: list[ManifestEvent] = []
    for item in items:
        if isinstance(item, ManifestEvent):
            manifests.append(item)
        else:
            events.append(item)
    data = b"\n".join([*lines, b""])
    return Packed(Record(partition, data), release, tuple(events), tuple(manifests))

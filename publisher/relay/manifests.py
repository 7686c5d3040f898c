"""The relay's side of manifests: when to cut, and which are on their way.

Belongs here: cadence and memory of what is queued. Not here: ranges and counts (publisher/manifest.py).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping

from publisher import manifest
from publisher.contracts import Contract
from publisher.database import Connection
from publisher.manifest import ManifestEvent

logger = logging.getLogger("publisher.relay")

PURGE_SECONDS = 600.0


class Manifests:
    """Cuts a range every `every_seconds`, and gives each closed manifest once to be sent."""

    def __init__(self, connection: Connection, contracts: Mapping[str, Contract], every_seconds: float) -> None:
        self._connection = connection
        self._entities = tuple(contracts)
        self._every = every_seconds
        self._next_cut = time.monotonic() + every_seconds
        self._next_purge = time.monotonic() + PURGE_SECONDS
        self._queued: set[tuple[int, str, int]] = set()
        self._target: int | None = None

    def cut_now(self) -> int:
        """Ends the open range at once; `accounted` then asks for it."""
        self._target = manifest.cut(self._connection)
        self._next_cut = time.monotonic() + self._every
        return self._target

    def due(self, now: float) -> list[ManifestEvent]:
        """Cuts and closes what is time, and returns manifests that are not on their way yet."""
        if now >= self._next_cut:
            manifest.cut(self._connection)
            self._next_cut = now + self._every
        manifest.close(self._connection, self._entities)
        if now >= self._next_purge:
            manifest.purge(self._connection)
            self._next_purge = now + PURGE_SECONDS
        new = [m for m in manifest.unsent(self._connection, self._entities) if _id(m) not in self._queued]
        self._queued.update(map(_id, new))
        return new

    def acknowledged(self, manifests: Iterable[ManifestEvent]) -> None:
        """These have arrived."""
        self._queued.difference_update(map(_id, manifests))

    def accounted(self) -> bool:
        """Whether the range that `cut_now` ended, and all before it, are closed and their manifests have arrived."""
        return self._target is not None and manifest.accounted(self._connection, self._target, self._entities)


def _id(event: ManifestEvent) -> tuple[int, str, int]:
    return event.range, event.of, event.revision

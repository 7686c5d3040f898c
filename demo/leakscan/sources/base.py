"""What every source offers. Belongs here: protocols. Not here: any reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from demo.leakscan.decode import Facet

Documents = Mapping[str, list[bytes]]
"""Texts to plant, by facet; each text holds controls of its own."""


class Item(Protocol):
    """One place: an object, a file, a shard, a queue, the tables. Must be picklable; names no value."""

    @property
    def source(self) -> str: ...

    @property
    def place(self) -> str:
        """Its name for the report; not shown if the search finds something in it."""
        ...

    @property
    def size(self) -> int:
        """Bytes, as far as known: only to share the work out."""
        ...

    @property
    def planted(self) -> bool:
        """Whether the scan itself put it there: it is searched like all, and not counted."""
        ...

    def facets(self) -> Iterator[Facet]:
        """Reads it. Raises Gone if it is no more, Unreadable if it cannot be read to its end."""
        ...


class Source(Protocol):
    """One kind of place."""

    @property
    def name(self) -> str: ...

    @property
    def facet_names(self) -> tuple[str, ...]:
        """All facets that its items may yield: each gets controls."""
        ...

    def items(self) -> Iterable[Item]: ...

    def plant(self, documents: Documents) -> AbstractContextManager[list[Source]]:
        """Plants controls; within the block, they are found through this source or through the further ones it returns."""
        ...

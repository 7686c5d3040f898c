"""What is known of each of the 256 parts of a table: when it was last compared, as of which position it agreed, and which differ.

Belongs here: that memory. Not here: the comparison (states.py), what follows from it (verify.py, assets/completeness.py).

A part that differs stays so until a digest compares it and it agrees: that a later digest leaves it out says nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lake_assets.raw import progress
from publisher.wire import BUCKETS
from resources.tables import LakeTables


@dataclass(frozen=True)
class Parts:
    """Of each part: `compared_at` in seconds of the platform's clock (at first when it was first told of), `agreed_to` a position, 0 for never.

    `differing` has the digest's range by which a part was found to differ.
    """

    compared_at: tuple[int, ...]
    agreed_to: tuple[int, ...] = (0,) * BUCKETS
    differing: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def first_told(cls, at: int) -> Parts:
        return cls((at,) * BUCKETS)

    def after(self, span: tuple[int, int], at: int, compared: Collection[int], differing: Collection[int]) -> Parts:
        """Once a digest of this range, of this time, was held against the lake. What differs was found, also in a part that was not compared as a whole."""
        return Parts(
            tuple(at if part in compared else before for part, before in enumerate(self.compared_at)),
            tuple(
                span[0] if part in compared and part not in differing else before for part, before in enumerate(self.agreed_to)
            ),
            {part: before for part, before in self.differing.items() if part not in compared} | dict.fromkeys(differing, span),
        )

    def to_json(self) -> dict[str, Any]:
        """Parts of which the same is known stand together: mostly all of them."""
        groups: dict[tuple[int, int], list[int]] = {}
        for part, known in enumerate(zip(self.compared_at, self.agreed_to, strict=True)):
            groups.setdefault(known, []).append(part)
        return {
            "groups": [[*known, parts] for known, parts in groups.items()],
            "differing": [[part, *span] for part, span in self.differing.items()],
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Parts:
        compared, agreed = [0] * BUCKETS, [0] * BUCKETS
        for at, position, parts in told["groups"]:
            for part in parts:
                compared[part], agreed[part] = at, position
        return cls(tuple(compared), tuple(agreed), {part: (low, high) for part, low, high in told["differing"]})


def state_progress(entity: str) -> str:
    """The name of an entity's progress."""
    return f"state/{entity}"


def healed_to(tables: LakeTables, entities: Iterable[str]) -> dict[str, int]:
    """Of each entity the position as of which every part of it was found to agree, at that position or a later one."""
    known = progress.read_all(tables)
    return {entity: min(parts.agreed_to) for entity in entities if (parts := remembered(known.get(state_progress(entity))))}


def remembered(known: progress.Progress | None) -> Parts | None:
    """The parts as the progress has them; None where nothing was compared yet."""
    told = json.loads((known and known.note) or "{}")
    return Parts.from_json(told["parts"]) if "parts" in told else None

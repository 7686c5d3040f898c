"""One change of a contract, as data. Belongs here: its form. Not here: how it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["widens", "narrows", "neutral"]
KINDS: tuple[Kind, ...] = ("widens", "narrows", "neutral")


@dataclass(frozen=True)
class Change:
    """One difference between two contracts of an entity, judged, with a sentence that says what it means for what leaves."""

    kind: Kind
    entity: str
    field: str
    """The field, column or setting that changed; empty for the entity as a whole."""
    says: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        name = f"{self.entity}.{self.field}" if self.field else self.entity
        return f"{name}: {self.says}"


def compared(wider: bool, narrower: bool) -> Kind:
    """The kind of a change that can go two ways; anything else is taken for wider."""
    return "narrows" if narrower and not wider else "widens"

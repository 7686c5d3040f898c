"""What lands in the lake of the fault tests: a seeded stream of objects of three entities, as a platform and Firehose would leave them.

Belongs here: which lines an object holds. Not here: landing it, what dies (lake_run.py), what must hold afterwards (lake_truth.py).
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from lake_assets.transforms.fields import Rules
from publisher import wire
from tests.unit.lake.make_events import START, event, line

EVENTS = 8
"""Of each entity, an object."""

KEYS = 12
"""Of each entity: few, so that they are changed, deleted and inserted again."""

JUNK = (b"no JSON", b'{"entity":"nobody"}', b"[1]")
OPS = ("insert", "update", "update", "snapshot", "delete", "erase")


@dataclass
class Stream:
    """Objects that follow each other: events of every entity, late ones and repeats among them, manifests, and what is no event."""

    rules: Rules
    entities: tuple[str, ...]
    chance: random.Random
    seq: int = 0
    sent: list[bytes] = field(default_factory=list)
    late: list[bytes] = field(default_factory=list)

    def next_object(self) -> list[bytes]:
        """The lines of one object."""
        lines: list[bytes] = []
        for entity in self.entities:
            made = [self._line(entity) for _ in range(EVENTS)]
            lines += made
            lines.append(self._manifest(entity, made))
        lines += self.late
        self.late = [lines.pop(self.chance.randrange(len(lines))) for _ in range(3)]
        self.chance.shuffle(lines)
        lines += self.chance.sample(self.sent, min(4, len(self.sent)))
        self.sent += lines
        return [*lines, self.chance.choice(JUNK)]

    def rest(self) -> list[bytes]:
        """What is still held back."""
        lines, self.late = self.late, []
        return lines

    def _line(self, entity: str) -> bytes:
        self.seq += 1
        built: dict[str, Any] = event(
            self.rules[entity], self.chance.randrange(KEYS), self.seq, op=self.chance.choice(OPS), salt=self.chance.randrange(9)
        )
        # One in ten as another producer would write it: it goes through the strict validator.
        return json.dumps(built).encode() if self.chance.random() < 0.1 else line(built)

    def _manifest(self, entity: str, lines: list[bytes]) -> bytes:
        return wire.manifest(
            of=entity, seq_from=self.seq - len(lines), seq_to=self.seq, revision=0, closed_at=START, events=len(lines), dead_letters=0,
            digest=sum(map(wire.digest_of, lines)),
        ).line  # fmt: skip

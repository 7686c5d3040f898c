"""Ranges of which no manifest has come, though a later one has: lost on the way, or still on it.

Belongs here: finding them, and since when they are known. Not here: when that is told (verify.py).

Every range of the platform's has a manifest for each entity, also where it holds nothing, so within an epoch they join without a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from lake_assets.completeness.verdicts import GAP, NO_MANIFEST, Manifest, Range, Verdict
from publisher.wire import EPOCH_BITS


@dataclass(frozen=True)
class Gap:
    """No manifest accounts for (`seq_from`, `seq_to`]; the lake has known of it `since`."""

    seq_from: int
    seq_to: int
    since: datetime

    @property
    def range(self) -> tuple[int, int]:
        return self.seq_from, self.seq_to


def find_gaps(manifests: Iterable[Manifest], behind: int | None) -> list[Manifest]:
    """What stands for the manifests that are missing between the end of an entity's chain and its last manifest: one of nothing for each gap.

    An epoch begins with a resync, so what is missing at the end of the one before is no gap.
    """
    reached, found = behind or 0, list[Manifest]()
    for manifest in sorted(manifests, key=lambda m: m.seq_from):
        reached = max(reached, manifest.seq_from >> EPOCH_BITS << EPOCH_BITS)
        if manifest.seq_from > reached:
            nothing = replace(manifest, seq_from=reached, seq_to=manifest.seq_from, revision=GAP, contradicted=False)
            found.append(replace(nothing, events=0, dead_letters=0, digest=0))
        reached = max(reached, manifest.seq_to)
    return found


def seen(found: Iterable[Manifest], former: Iterable[Gap], now: datetime) -> tuple[Gap, ...]:
    """The gaps with the time since when they, or wider ones, are known."""
    former = list(former)

    def since(low: int, high: int) -> datetime:
        return min((gap.since for gap in former if gap.seq_from <= low and high <= gap.seq_to), default=now)

    return tuple(Gap(m.seq_from, m.seq_to, since(m.seq_from, m.seq_to)) for m in found)


def filled(known: Mapping[Range, Verdict], entity: str, manifests: Iterable[Manifest]) -> list[Range]:
    """The ranges that were told of for want of a manifest, and for parts of which some have come since. One for just that range has a verdict there itself."""
    come = [(m.seq_from, m.seq_to) for m in manifests if m.revision != GAP]
    missing = (v for v in known.values() if v.entity == entity and v.verdict == NO_MANIFEST)
    return [
        v.range
        for v in missing
        if (v.seq_from, v.seq_to) not in come and any(low < v.seq_to and v.seq_from < high for low, high in come)
    ]

"""How far the lake is proven complete, by the platform's manifests.

Belongs here: which manifests to look at, and the chain of those that agree. Not here: comparing one (`verdicts.py`), making them
(publisher/manifest.py), loading them (bronze/).

Proven without reading the platform: a manifest counts the events of a contiguous range of `seq` and sums their digests. Repeats count
once. A manifest that agrees is not looked at again until a revision of it arrives; one that does not is compared anew each time, since its
events may just be late. What stays lost stops the chain until the platform has sent the rows anew and digests of its state show that
nothing is wrong any more (states.py): then the range is healed. The cost is that of what is open, not of history.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from lake_assets.completeness.gaps import Gap, filled, find_gaps, seen
from lake_assets.completeness.parts import healed_to
from lake_assets.completeness.verdicts import (
    AGREES,
    HEALED,
    LATE,
    PASSES,
    Manifest,
    Range,
    Verdict,
    compare,
    known_verdicts,
    read_manifests,
    record,
)
from lake_assets.raw import progress
from lake_assets.raw.batches import ERASURES
from lake_assets.raw.lake import FINGERPRINT
from lake_assets.raw.session import interpreted
from publisher.wire import EPOCH_BITS
from resources.tables import LakeTables

NAME = "completeness"
"""The row of the progress that holds the chains."""

TOLD_AFTER = timedelta(minutes=15)
"""From when on manifests that have not come are told of, though a later one has: each partition has its own way, and Firehose holds a record for so long at the most."""

LOST_AFTER = timedelta(hours=1)
"""From when on a range that does not agree, and of which nothing more comes, is taken for what it is: digests are compared beyond it."""


@dataclass(frozen=True)
class Completeness:
    """How far an entity is complete: up to `until` without a gap; None as long as nothing is proven. `open` do not agree yet.

    `seq` is where the chain of manifests ends, None before it has begun. With `backfill_due` it goes on, and proves nothing: rows of the entity
    have still to be sent. `known` is how far it is known what is there and what is lost: so far digests can be compared. `awaited` are ranges of which
    no manifest has come yet, and it is early to say so; `healed` is the last verdict that the chain passed without what was lost.
    """

    entity: str
    until: datetime | None
    seq: int | None
    compared: int
    open: tuple[Verdict, ...]
    backfill_due: bool = False
    known: int | None = None
    awaited: tuple[Gap, ...] = ()
    healed: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class _Chain:
    """Where an entity's gap-free chain ends, the last batch whose manifests were seen, and what was revised behind its end.

    `due` is what its last manifest says of a backfill, `key` under which pseudonym key its events are, `gaps` where manifests are missing and since when, and
    `healed` the last range that was: its ends, and the position as of which digests agree.
    """

    seq: int | None = None
    until: datetime | None = None
    batch: int = 0
    reopened: frozenset[Range] = field(default=frozenset())
    due: bool = False
    key: int = 1
    gaps: tuple[Gap, ...] = ()
    healed: tuple[int, int, int] | None = None

    def follow(self, verdicts: Iterable[Verdict], due: Container[Range], keys: Mapping[Range, int]) -> _Chain:
        """Moves on over the verdicts that agree. A chain begins where an epoch does, and a new epoch begins with a resync.

        While a backfill is due (the ranges in `due`) `until` stays: all that was sent is there, and not all was sent. Those ranges must
        agree as well, since a delete that is lost among them comes with no backfill.
        """
        chain = self
        for verdict in sorted(verdicts, key=lambda v: v.seq_from):
            if verdict.verdict in PASSES and _joins(chain.seq, verdict):
                proven = chain.until if verdict.range in due else verdict.closed_at
                chain = replace(chain, seq=verdict.seq_to, until=proven, due=verdict.range in due, key=keys[verdict.range])
                if verdict.healed_to is not None:
                    chain = replace(chain, healed=(verdict.seq_from, verdict.seq_to, verdict.healed_to))
        return chain

    def known(self, verdicts: Iterable[Verdict], lost: Container[Range], unclear: Iterable[Range]) -> int | None:
        """How far it is known what is there: over what passes and what is `lost`, and not beyond a range that may still change."""
        position = self.seq
        for verdict in sorted(verdicts, key=lambda v: v.seq_from):
            if (verdict.verdict in PASSES or verdict.range in lost) and _joins(position, verdict):
                position = verdict.seq_to
        return None if position is None else min([position, *(low for _, low, _ in unclear)])


def _joins(position: int | None, verdict: Verdict) -> bool:
    return verdict.seq_from == position or (verdict.seq_from >= (position or 0) and verdict.seq_from % (1 << EPOCH_BITS) == 0)


def verify_manifests(tables: LakeTables, entities: Iterable[str], now: datetime | None = None) -> dict[str, Completeness]:
    """Compares what is open, records the verdicts that changed, and moves each entity's chain on. Raises SparkFailed."""
    with interpreted(tables.spark):
        return _verify(tables, list(entities), now or datetime.now(UTC))


def _verify(tables: LakeTables, entities: list[str], now: datetime) -> dict[str, Completeness]:
    stored, erased = _stored_and_erased(tables)
    if not stored and progress.read(tables, FINGERPRINT) is None:  # asked before the first batch has made the tables
        return {entity: Completeness(entity, None, None, 0, ()) for entity in entities}
    chains = {entity: stored.get(entity, _Chain()) for entity in entities}
    if not chains:
        return {}
    lowest = min(chain.seq or 0 for chain in chains.values())
    manifests = read_manifests(
        tables,
        above=lowest,
        after_batch=min(chain.batch for chain in chains.values()),
        reopened={each for chain in chains.values() for each in chain.reopened},
    )
    mine = {entity: [m for m in manifests if m.entity == entity and _is_open(m, chain)] for entity, chain in chains.items()}
    holes = {entity: find_gaps(mine[entity], chain.seq) for entity, chain in chains.items()}
    gaps = {entity: seen(found, chains[entity].gaps, now) for entity, found in holes.items()}
    awaited = {entity: tuple(g for g in found if now - g.since < TOLD_AFTER) for entity, found in gaps.items()}
    for entity, found in holes.items():
        early = {gap.range for gap in awaited[entity]}
        mine[entity] += [hole for hole in found if (hole.seq_from, hole.seq_to) not in early]
    behind = [m.range for found in mine.values() for m in found if m.seq_to <= lowest]
    known = known_verdicts(tables, lowest, behind) if any(mine.values()) else {}
    mine = {e: [replace(m, contradicted=m.contradicted or _contradicts(m, known)) for m in found] for e, found in mine.items()}
    settled = {entity: [m for m in found if _settled(m, known)] for entity, found in mine.items()}
    fresh = compare(tables, [m for entity, found in mine.items() for m in found if m not in settled[entity]], erased=erased)
    lost = {v.range for v in fresh if v.verdict not in PASSES and _stays(v, known.get(v.range), now)}
    fresh = _heal(tables, fresh, lost)
    late = [replace(known[each], verdict=LATE) for entity, found in mine.items() for each in filled(known, entity, found)]
    record(tables, [*(verdict for verdict in fresh if verdict != known.get(verdict.range)), *late], now)
    moved, outcome = dict(chains), {}
    for entity, chain in chains.items():
        verdicts = [v for v in fresh if v.entity == entity] + [known[m.range] for m in settled[entity]]
        moved[entity] = replace(_moved(chain, verdicts, mine[entity]), gaps=gaps[entity])
        still = tuple(sorted((v for v in verdicts if v.verdict not in PASSES), key=lambda v: v.seq_from))
        passed = {v.range for v in verdicts if v.verdict in PASSES}
        unclear = [m.range for m in mine[entity] if m.range not in passed | lost]
        outcome[entity] = Completeness(
            entity, moved[entity].until, moved[entity].seq, len(verdicts), still, moved[entity].due,
            moved[entity].known(verdicts, lost, unclear), awaited[entity], moved[entity].healed,
        )  # fmt: skip
    if moved != chains:
        _store(tables, stored | moved)
    return outcome


def complete_until(tables: LakeTables, entity: str) -> datetime | None:
    """The platform's time up to which an entity was last proven complete; None as long as it never was."""
    return _stored(tables).get(entity, _Chain()).until


def all_under(tables: LakeTables, entities: Iterable[str], key_version: int) -> bool:
    """Whether every entity is proven complete under this pseudonym key: all its rows have been sent anew, and have arrived."""
    stored = _stored(tables)
    return all((chain := stored.get(entity)) is not None and chain.key >= key_version and not chain.due for entity in entities)


def _is_open(manifest: Manifest, chain: _Chain) -> bool:
    return manifest.seq_to > (chain.seq or 0) or manifest.batch > chain.batch or manifest.range in chain.reopened


def _settled(manifest: Manifest, known: Mapping[Range, Verdict]) -> bool:
    last = known.get(manifest.range)
    if last is None or last.revision != manifest.revision:
        return False
    return last.verdict == HEALED or (last.verdict == AGREES and not manifest.contradicted)


def _contradicts(manifest: Manifest, known: Mapping[Range, Verdict]) -> bool:
    """Whether another content of the same revision agreed before: that manifest was not read again."""
    last = known.get(manifest.range)
    if last is None or last.verdict != AGREES or last.revision != manifest.revision:
        return False
    return (manifest.events, manifest.dead_letters, manifest.closed_at) != (last.events, last.dead_letters, last.closed_at)


def _stays(verdict: Verdict, last: Verdict | None, now: datetime) -> bool:
    """Whether nothing more has come of a range for so long that nothing more is expected."""
    return verdict == last and last.since is not None and now - last.since >= LOST_AFTER


def _heal(tables: LakeTables, verdicts: list[Verdict], lost: set[Range]) -> list[Verdict]:
    """The verdicts, with those of lost ranges healed of which digests have shown since that every part of the table says what the platform says."""
    if not lost:
        return verdicts
    agreed = healed_to(tables, {entity for entity, _, _ in lost})
    return [
        replace(v, verdict=HEALED, healed_to=agreed[v.entity]) if v.range in lost and agreed.get(v.entity, 0) >= v.seq_to else v
        for v in verdicts
    ]


def _moved(chain: _Chain, verdicts: list[Verdict], manifests: list[Manifest]) -> _Chain:
    moved = chain.follow(verdicts, {m.range for m in manifests if m.backfill_due}, {m.range: m.key_version for m in manifests})
    compared = {verdict.range: verdict for verdict in verdicts}
    behind = {m.range for m in manifests if m.seq_to <= (moved.seq or 0)}
    # A range behind the end that does not agree, or that there was no time to compare, must not be forgotten with its batch.
    reopened = frozenset(each for each in behind if each not in compared or compared[each].verdict not in PASSES)
    return replace(moved, batch=max([chain.batch, *(m.batch for m in manifests)]), reopened=reopened)


def _stored(tables: LakeTables) -> dict[str, _Chain]:
    return _stored_and_erased(tables)[0]


def _stored_and_erased(tables: LakeTables) -> tuple[dict[str, _Chain], bool]:
    """The chains, and whether anybody was ever erased: in one look."""
    rows = progress.find_some(tables, (NAME, ERASURES))
    known = rows.get(NAME)
    chains = {entity: _chain(entity, **each) for entity, each in json.loads((known and known.note) or "{}").items()}
    return chains, ERASURES in rows


def _store(tables: LakeTables, chains: dict[str, _Chain]) -> None:
    """All entities in one row: a write costs a commit."""
    note = {
        entity: {
            "seq": chain.seq,
            "until": chain.until.isoformat() if chain.until else None,
            "batch": chain.batch,
            "reopened": sorted((low, high) for _, low, high in chain.reopened),
            "due": chain.due,
            "key": chain.key,
            "gaps": [(gap.seq_from, gap.seq_to, gap.since.isoformat()) for gap in chain.gaps],
            "healed": chain.healed,
        }
        for entity, chain in sorted(chains.items())
    }
    progress.write(tables, NAME, note=json.dumps(note))


def _chain(
    entity: str,
    seq: int | None,
    until: str | None,
    batch: int,
    reopened: list[tuple[int, int]],
    due: bool = False,
    key: int = 1,
    gaps: Iterable[tuple[int, int, str]] = (),
    healed: tuple[int, int, int] | None = None,
) -> _Chain:
    moment = datetime.fromisoformat(until) if until else None
    return _Chain(
        seq, moment, batch, frozenset((entity, low, high) for low, high in reopened), due, key,
        tuple(Gap(low, high, datetime.fromisoformat(since)) for low, high, since in gaps), healed and (healed[0], healed[1], healed[2]),
    )  # fmt: skip

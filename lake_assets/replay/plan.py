"""What a rollback would do: which tables, from which version to which, how, and which batches load again.

Belongs here: looking, and deciding. Not here: doing it (`rollback.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from lake_assets.deploy.rename import taken_over
from lake_assets.raw.batches import registered
from lake_assets.replay.checkpoints import GOLD, HISTORY, INGEST, LaneSet, NoCheckpoint, erased_since, find
from lake_assets.replay.lanes import BY_BATCH, gold_tables, history_tables, ingest_tables
from lake_assets.silver.rekey import present_key
from publisher.contracts import Contract
from resources.delta_log import DeltaLogs, Table
from resources.delta_snapshot import NotInLog, snapshot
from resources.errors import ResourceError
from resources.tables import LakeTables

RESTORE = "restore"
"""Delta's RESTORE: the files of that version are all there, and show nobody who was erased."""
CUT = "cut"
"""The rows of later batches are deleted."""
REBUILD = "rebuild"
"""Written anew from bronze, up to the batch."""
REWRITE = "write again"
"""The rows of that version are written over those of now, with the note that gold's memory of small cells asks for."""
LEAVE = "leave"
"""As it is: nothing has changed, or gold's next refresh makes it."""
THREADS = 4


class OtherKey(ResourceError):
    """Silver has changed over to another pseudonym key since."""

    def __init__(self, number: int, then: int, now: int) -> None:
        super().__init__(
            f"Checkpoint {number} is of pseudonym key {then}, and silver is under key {now}: codes of two keys do not join, so it "
            "cannot be brought back. Choose a checkpoint after the change of the key."
        )


class OtherName(ResourceError):
    """An entity has got another name since."""

    def __init__(self, number: int, former: str, entity: str | None) -> None:
        super().__init__(
            f"Checkpoint {number} holds {former}, which is {entity or 'an entity of another name'} now: its tables were taken over, and what ops says of "
            "it was renamed, so it cannot be brought back. Choose a checkpoint after the renaming. A rollback that was begun before the new name was "
            "deployed comes through under the former contracts."
        )


@dataclass(frozen=True)
class Step:
    """One table. `before` and `after` are versions; None where there is no table, or where what is written anew has no version yet."""

    table: Table
    lane: str
    how: str
    before: int | None
    after: int | None

    @property
    def name(self) -> str:
        return "/".join(self.table)


@dataclass(frozen=True)
class Plan:
    """What a rollback to a checkpoint does. `why` says what keeps it from RESTORE, None where nothing does. `batches` load again.

    `history_upto` is how far history was then, where it is not written anew.
    """

    to: int
    at: datetime
    upto_batch: int
    why: str | None
    steps: Sequence[Step]
    batches: Sequence[int]
    history_upto: int

    def of(self, how: str) -> list[Step]:
        return [step for step in self.steps if step.how == how]

    def as_markdown(self) -> str:
        """For the UI and the command line: names, versions and numbers."""
        rows = "\n".join(f"| `{step.name}` | {step.how} | {_shown(step.before)} | {_shown(step.after)} |" for step in self.steps)
        told = f"rebuilt, since {self.why}" if self.why else "restored"
        return (
            f"To checkpoint {self.to} of {self.at:%Y-%m-%d %H:%M:%S} UTC: {told}. All batches up to {self.upto_batch} stay; "
            f"load again: {_ranges(self.batches) or 'none'}.\n\n| table | how | version now | version then |\n|---|---|---|---|\n{rows}"
        )


def plan(
    tables: LakeTables,
    logs: DeltaLogs,
    contracts: Sequence[Contract],
    gold: Collection[str],
    to: int,
    *,
    rebuild: str | None = None,
) -> Plan:
    """Looks what a rollback to checkpoint `to` would do, and changes nothing. `rebuild` says why RESTORE is not to be used, where it is known.

    Raises NoCheckpoint, OtherKey, OtherName.
    """
    sets = find(tables, to)
    if INGEST not in sets:
        raise NoCheckpoint(to, None)
    ingest = sets[INGEST]
    if (now := present_key(tables, contracts)) != ingest.key_version:
        raise OtherKey(to, ingest.key_version, now)
    if former := _renamed_since(tables, ingest, contracts):
        raise OtherName(to, former, next((each.entity for each in contracts if each.renamed_from == former), None))
    entities = [contract.entity for contract in contracts]
    lanes = {
        INGEST: ingest_tables(entities),
        HISTORY: history_tables(entities),
        GOLD: gold_tables(gold),
    }
    before = logs.versions(table for found in lanes.values() for table in found)
    after = {table: version for each in sets.values() for table, version in each.versions.items()}
    why = rebuild or _why_not_restore(tables, logs, sets, before, {*lanes[INGEST], *lanes[HISTORY]})
    steps = [
        Step(table, lane, _how(logs, table, lane, before.get(table), after.get(table), why), before.get(table), after.get(table))
        for lane, found in lanes.items()
        for table in found
        if table in before
    ]
    upto = ingest.upto_batch or 0
    # History that had not begun then is written anew from bronze, as far as silver goes.
    history_upto = sets[HISTORY].upto_batch or 0 if HISTORY in sets else upto
    return Plan(to, ingest.at, upto, why, steps, sorted(registered(tables, upto)), history_upto)


def _how(logs: DeltaLogs, table: Table, lane: str, before: int | None, after: int | None, why: str | None) -> str:
    layer, name = table
    if lane == GOLD:
        return LEAVE if why or after is None or before == after or _gone(logs, table, after) else REWRITE
    if before == after:
        return LEAVE
    if why is None and after is not None:
        return RESTORE
    by_batch = layer == "bronze" or (layer == "ops" and name != "tombstones")
    return CUT if by_batch else REBUILD


def _why_not_restore(
    tables: LakeTables,
    logs: DeltaLogs,
    sets: Mapping[str, LaneSet],
    before: Mapping[Table, int],
    restored: Collection[Table],
) -> str | None:
    """Why some table cannot be restored. Then none is: silver of one version must be a function of bronze of that version."""
    used = [each for lane, each in sets.items() if lane in (INGEST, HISTORY)]
    if erased := erased_since(tables, min(each.at for each in used)):
        return f"somebody was erased at {erased:%Y-%m-%d %H:%M} UTC"
    wanted = [
        (table, version)
        for each in used
        for table, version in each.versions.items()
        if table in restored and before.get(table) != version
    ]

    with ThreadPoolExecutor(THREADS) as pool:
        return next((reason for reason in pool.map(lambda one: _gone(logs, *one), wanted) if reason), None)


def _gone(logs: DeltaLogs, table: Table, version: int) -> str | None:
    """Why a version of a table cannot be read any more, or None."""
    try:
        needed = snapshot(logs, table, version).names
    except NotInLog:
        return f"version {version} of {'/'.join(table)} is not in its log any more"
    # Deletion vectors, too: RESTORE does not look for them, and the table could not be read afterwards.
    missing = needed - logs.files(table) if needed else set()
    return f"files of version {version} of {'/'.join(table)} are gone" if missing else None


def _renamed_since(tables: LakeTables, ingest: LaneSet, contracts: Sequence[Contract]) -> str | None:
    """The former name of an entity that the checkpoint has under it, be it taken over or waiting for that."""
    held = {name for layer, name in ingest.versions if layer == "bronze"} - {each.entity for each in contracts}
    if not held:
        return None
    former = {each.renamed_from for each in contracts} | taken_over(tables)
    return min(held & former, default=None)


def is_by_batch(table: Table) -> bool:
    return table[0] == "bronze" or (table[0] == "ops" and table[1] in BY_BATCH)


def _shown(version: int | None) -> str:
    return "" if version is None else str(version)


def _ranges(numbers: Iterable[int]) -> str:
    """3, 4, 5, 9 as `3 to 5, 9`."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] + 1 == number:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in found)

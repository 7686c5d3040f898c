"""From outbox rows to events, or to dead letters.

Belongs here: reading a row's JSON, what waits behind a dead letter. Not here: what may leave (release.py), parking (deadletters.py).
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from publisher.deadletters import DeadLetter, Key
from publisher.erasure.remembered import Erased
from publisher.errors import PermanentError, RecordTooLarge, Unreleasable
from publisher.outbox import OutboxRow
from publisher.relay.pack import RECORD_LIMIT
from publisher.release import Change, Release
from publisher.wire import REPORTS, RISK, ReleasedEvent, risk_report, state_digest


def change_of(row: OutboxRow) -> Change:
    """Raises Unreleasable for a row that is no JSON object: somebody wrote to the outbox by hand."""
    try:
        values = None if row.row is None else orjson.loads(row.row)
    except orjson.JSONDecodeError:
        raise Unreleasable(row.entity, row.seq, "the captured row is not JSON") from None
    if values is not None and not isinstance(values, dict):
        raise Unreleasable(row.entity, row.seq, "the captured row is not JSON")
    return Change(row.entity, row.op, row.seq, row.captured_at, row.key, row.subject, values)


def event_of(release: Release, row: OutboxRow) -> ReleasedEvent:
    """Raises Unreleasable or RecordTooLarge."""
    if row.entity in REPORTS:
        return _report_of(row)
    event = release.event(change_of(row))
    if len(event.line) >= RECORD_LIMIT:
        raise RecordTooLarge(row.entity, row.seq, len(event.line) + 1, RECORD_LIMIT)
    return event


def _report_of(row: OutboxRow) -> ReleasedEvent:
    """A report, which `publisher risk` or `publisher digest` put among the rows. Raises Unreleasable for one that they did not write."""
    try:
        report = orjson.loads(row.row or "")
        if row.entity == RISK:
            return risk_report(row.seq, row.captured_at, report["of"], report["kgroup"], report["counts"])
        return state_digest(row.seq, row.captured_at, report["of"], report["contract"], report["bucket"], report["counts"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise Unreleasable(row.entity, row.seq, "no report that the publisher wrote") from None


def fault_of(release: Release, row: OutboxRow) -> PermanentError | None:
    """Why a row cannot leave, or None when it can."""
    try:
        event_of(release, row)
    except PermanentError as error:
        return error
    return None


class Judge:
    """Releases rows in order. A key with a dead letter waits as a whole; all others go on."""

    def __init__(self, release: Release, dead: dict[Key, int], erased: Erased | None = None) -> None:
        self._release = release
        self._dead = dead
        self._erased = erased

    @property
    def has_dead(self) -> bool:
        """Whether any key waits."""
        return bool(self._dead)

    def under(self, release: Release) -> None:
        """Judges what comes by another release."""
        self._release = release

    def revive(self, keys: Iterable[Key]) -> None:
        """These keys' rows are back in the outbox."""
        for key in keys:
            self._dead.pop(key, None)

    def after_erasure(self, dead: dict[Key, int], erased: Erased, held: Iterable[DeadLetter]) -> None:
        """Takes over who waits and who was erased, once an erasure is settled. `held`: letters that are not parked yet."""
        self._dead, self._erased = dead, erased
        for letter in held:
            self._dead[letter.entity, letter.key] = min(letter.seq, self._dead.get((letter.entity, letter.key), letter.seq))

    def judge(self, rows: Iterable[OutboxRow]) -> tuple[list[ReleasedEvent], list[DeadLetter], list[int]]:
        """Events in the rows' order, what must be parked, and the numbers of rows that must go: they are about an erased person."""
        events: list[ReleasedEvent] = []
        letters: list[DeadLetter] = []
        dropped: list[int] = []
        for row in rows:
            if self._erased is not None and self._erased.may_not_leave(row):
                dropped.append(row.seq)
                continue
            if self._dead and row.op != "erase" and row.seq > self._dead.get((row.entity, row.key), row.seq):
                letters.append(DeadLetter.behind(row))
                continue
            try:
                events.append(event_of(self._release, row))
            except PermanentError as error:
                self._dead[row.entity, row.key] = row.seq
                letters.append(DeadLetter.of(row, error))
        return events, letters, dropped

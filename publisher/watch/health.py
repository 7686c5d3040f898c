"""Is the process alive, and does what waits leave in time? In a word, with what is wrong and what to do.

Belongs here: the judgement. Not here: what it is made of (vitals.py), HTTP (server.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from publisher.watch.vitals import State, Vitals

TURN_SECONDS = 60.0
"""A loop that has not come round for so long is stuck. The longest that it may wait by itself is a lock of the database: 10 s."""

BLIND_SECONDS = 30.0
"""Without a look at the outbox for so long, a working relay does not know how old what waits is."""


@dataclass(frozen=True)
class Verdict:
    """`ok`, and the lines that say why, or why not and what to do."""

    ok: bool
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def alive(vitals: Vitals, now: float | None = None) -> Verdict:
    """Whether the loop turns. Whoever restarts the process when it does not loses nothing: what was claimed is repeated."""
    since = (time.monotonic() if now is None else now) - vitals.turned_at
    if vitals.state is State.STOPPED or since <= TURN_SECONDS:
        return Verdict(True, (f"alive: {vitals.state.value}",))
    return Verdict(
        False,
        (
            f"stuck: the loop has not come round for {since:.0f} s, {vitals.state.value}",
            "remedy: look for locks in the platform's database (pg_stat_activity, application_name 'publisher relay'); else restart the relay",
        ),
    )


def ready(vitals: Vitals, limit_seconds: float, now: float | None = None) -> Verdict:
    """Whether what waits leaves in time. A standby is ready: it has nothing to do."""
    now = time.monotonic() if now is None else now
    living = alive(vitals, now)
    if not living.ok:
        return living
    if vitals.state in (State.LOST, State.STARTING, State.STOPPED):
        return Verdict(False, REMEDY[vitals.state])
    look = vitals.outlook
    oldest = look.oldest_now(now) if look else None
    if vitals.state is State.STANDBY:
        waits = f", the oldest event waits for {oldest:.0f} s" if oldest else ""
        return Verdict(True, (f"standby: another relay works{waits}",))
    if look is None:
        return Verdict(False, REMEDY[State.STARTING])
    if oldest is None:
        return Verdict(False, ("the outbox could not be counted in time: how old what waits is, is not known", GROWN))
    if oldest > limit_seconds or now - look.at > BLIND_SECONDS:
        return Verdict(
            False, (f"late: the oldest unsent event waits for {oldest:.0f} s, the limit is {limit_seconds:g} s", *_why(vitals))
        )
    return Verdict(True, (f"working: the oldest unsent event waits for {oldest:.0f} s, the limit is {limit_seconds:g} s",))


def _why(vitals: Vitals) -> tuple[str, ...]:
    """The likeliest cause, by what the relay itself has seen."""
    if vitals.failing:
        reasons = ", ".join(f"{name}: {number}" for name, number in sorted(vitals.failing.items()))
        return (
            f"partitions whose records the stream refuses: {reasons}",
            "remedy: more shards, or on demand, where it is throttled; else the role, the region, the network",
        )
    return (
        "the stream refuses nothing, so the relay is slower than the writes",
        "remedy: see `publisher status`, and the runbook under 'The outbox grows'",
    )


GROWN = "remedy: end what holds an old snapshot; see the runbook under 'The outbox grows'"

REMEDY = {
    State.STARTING: (
        "starting: the relay has not looked at the outbox yet",
        "remedy: wait some seconds; the log says what it waits for",
    ),
    State.LOST: (
        "the database session is lost: nothing leaves until there is another",
        "remedy: it tries again by itself; check that PostgreSQL runs, and PLATFORM_DATABASE_URL",
    ),
    State.STOPPED: ("stopped: the relay was told to stop", "remedy: start `publisher relay`"),
}

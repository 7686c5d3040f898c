"""The loop: read, judge, pack, claim, put, acknowledge; while one put runs, the next rows are read and released.

Belongs here: the order of steps, pauses, when to end. Not here: each step.
"""

from __future__ import annotations

import logging
import threading
import time
from enum import Enum

from publisher import deadletters, epoch, outbox, ring
from publisher.database import Connection
from publisher.deadletters import DeadLetter
from publisher.erasure.remembered import load_erased
from publisher.errors import SettingsError
from publisher.outbox import OutboxReader
from publisher.relay.bookkeeping import commit_round
from publisher.relay.erasures import carry_out
from publisher.relay.flight import Flight
from publisher.relay.grace import Grace
from publisher.relay.judging import Judge
from publisher.relay.manifests import Manifests
from publisher.relay.mark import BEAT_SECONDS, Mark
from publisher.relay.pack import FLIGHT_LIMIT, Waiting
from publisher.relay.recovery import recover
from publisher.relay.releases import ReleaseSet
from publisher.relay.telling import Summary, Telling
from publisher.risk import store as risk
from publisher.sinks.record import Sink
from publisher.watch.outlook import Lookout
from publisher.watch.traces import Tracing
from publisher.watch.vitals import State, Vitals

logger = logging.getLogger("publisher.relay")

PAGE_ROWS = 8_000
AHEAD_BYTES = 12 * 1024 * 1024
"""Released events that may wait in memory. A partition whose puts keep failing fills it last: it holds 1/256 of them."""

POLL_FIRST_SECONDS = 0.005
POLL_MOST_SECONDS = 0.05
"""An idle relay looks 20 times a second: one trivial statement. NOTIFY would serialise the platform's commits (its queue lock)."""

TICK_SECONDS = 0.2
RECYCLE_SECONDS = 1.0


class Until(Enum):
    """When the loop ends by itself."""

    STOPPED = "stopped"
    SENT = "sent"
    ACCOUNTED = "accounted"


class Relay:
    """One relay on one direct session that holds the relay's lock. Made for one run; after an error, make another on a new session."""

    def __init__(
        self,
        connection: Connection,
        releases: ReleaseSet,
        sink: Sink,
        *,
        manifest_seconds: float = 10.0,
        stop: threading.Event | None = None,
        mark: Mark | None = None,
        vitals: Vitals | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._connection = connection
        self._mark = mark
        self._beaten = float("-inf")
        self._releases = releases
        self._digest = releases.digest
        self._stop = stop or threading.Event()
        self._grace = Grace(self._stop)
        self._tell = Telling(vitals or Vitals(releases.contracts), tracing or Tracing())
        self._vitals = self._tell.vitals
        self._lookout = Lookout(connection, self._vitals)
        self._flight = Flight(sink, tracing)
        self._waiting = Waiting()
        self._letters: list[DeadLetter] = []
        self._dropped: list[int] = []
        self._reader = OutboxReader(connection)
        self._judge = Judge(releases.release, {})
        self._manifests = Manifests(connection, releases.contracts, manifest_seconds)
        self._skip: set[int] = set()
        self._upto = 0
        self._ticked = 0.0
        self._recycled = time.monotonic()
        self.summary: Summary = self._tell.summary

    def run(self, until: Until = Until.STOPPED) -> Summary:
        """Works until told to stop, or until what was committed before the call is sent (and accounted for by manifests).

        Raises SettingsError for contracts under another key than is in use, TransientError or psycopg.Error when the session is lost: the lock went with it, so nothing may go on with it.
        """
        try:
            self.begin(until)
            pause = POLL_FIRST_SECONDS
            self._vitals.is_now(State.WORKING)
            while not self._stop.is_set() and not self._finished(until):
                self._vitals.turned()
                pause = self.step(pause)
            self._end()
        finally:
            self._flight.shut(self._grace.over)
            self._tell.report(self._waiting.count, final=True)
        return self.summary

    def begin(self, until: Until = Until.STOPPED) -> None:
        """What `run` does first: checks mark, epoch and key, and repeats what a predecessor had on its way."""
        if self._mark is not None:
            self._mark.check(self._connection)
        why = epoch.disagreement(self._connection)
        if why is not None:
            raised = epoch.raise_epoch(self._connection, why)
            logger.warning("epoch raised: back-fill all entities", extra={"fields": {"epoch": raised, "reason": why}})
        in_use, named = epoch.key_version(self._connection), self._releases.key_version
        if in_use != named:
            raise SettingsError(
                f"the contracts name pseudonym key {named}, and {in_use} is in use: `publisher keys rotate` begins the next one"
            )
        known = epoch.current(self._connection)
        self.summary.epoch = self._vitals.epoch = known[0] if known else 0
        self._use(risk.latest(self._connection))
        self._beat(time.monotonic())
        deadletters.put_back(self._connection)
        erased = load_erased(self._connection, self._releases.contracts, self._releases.keyring)
        self._judge = Judge(self._releases.release, deadletters.dead_keys(self._connection), erased)
        recovered = recover(self._connection, self._releases)
        self._skip = {event.seq for packed in recovered for event in packed.events}
        self.summary.repeated = len(self._skip)
        self._vitals.repeated += len(self._skip)
        self._flight.add(recovered)
        self._flight.start()
        self._upto = self._manifests.cut_now() if until is Until.ACCOUNTED else outbox.last_seq(self._connection)
        logger.info(
            "relay started",
            extra={"fields": {"epoch": self.summary.epoch, "repeats": len(self._skip), "release": self._digest}},
        )

    def step(self, pause: float) -> float:
        """One round, waiting at most `pause` seconds for what is on its way; the pause of the next."""
        read = self._read()
        self._turn(0.0 if read else pause)
        self._tick()
        pause = POLL_FIRST_SECONDS if read else min(POLL_MOST_SECONDS, pause * 1.5)
        if not read and self._flight.idle:
            self._rest(pause)
        return pause

    def _use(self, coarsening: int) -> None:
        """Releases what comes under a version of the coarsening. What waits in memory keeps the release that made it."""
        self._releases = self._releases.under(self._connection, coarsening)
        self._digest = self._releases.digest
        outbox.remember_release(self._connection, self._digest, self._releases.texts, coarsening)
        self._judge.under(self._releases.release)
        if coarsening:
            logger.info("coarsening in use", extra={"fields": {"version": coarsening, "release": self._digest}})

    def _read(self) -> bool:
        """Reads a page ahead of the put. True when there may be more."""
        if self._waiting.size_bytes >= AHEAD_BYTES:
            return False
        rows = self._reader.read(PAGE_ROWS)
        if self._reader.erasures:
            gone = carry_out(self._connection, self._releases, self._flight, self._waiting, self._judge, self._letters)
            self._reader.erasures = False
            self._letters = [letter for letter in self._letters if letter.seq not in gone]
            rows = [row for row in rows if row.seq not in gone]
        if not rows:
            return False
        if self._reader.coarsening != self._releases.coarsening:
            self._use(self._reader.coarsening)
        if self._skip:
            claimed = self._skip
            rows, self._skip = [r for r in rows if r.seq not in claimed], claimed.difference(r.seq for r in rows)
        events, letters, dropped = self._tell.page(rows, self._judge.judge)
        self._waiting.add(events, self._digest)
        self._letters += letters
        self._dropped += dropped
        return True

    def _turn(self, timeout: float) -> None:
        """If no put runs, or it ends in time: acknowledges, parks and claims in one transaction, then puts what is due."""
        done = self._flight.finish(timeout)
        if done is None:
            return
        packed = (
            [] if self._stop.is_set() else self._waiting.pack(self._flight.partitions, FLIGHT_LIMIT - self._flight.size_bytes)
        )
        letters, self._letters = self._letters, []
        dropped, self._dropped = self._dropped, []
        with self._tell.round(done, letters, packed):
            commit_round(self._connection, done=done, letters=letters, claimed=packed, dropped=dropped)
        self._flight.add(packed)
        self._flight.start()
        self._tell.counted(done, letters, self._flight)
        for one in done:
            self._manifests.acknowledged(one.manifests)

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._ticked < TICK_SECONDS:
            return
        self._ticked = now
        self._beat(now)
        self._waiting.add(self._manifests.due(now), self._digest)
        # Rows of a key go back only while none of its rows is half read: they must come before those.
        if self._judge.has_dead and self._reader.at_rest and not self._letters:
            self._judge.revive(deadletters.put_back(self._connection))
        if now - self._recycled >= RECYCLE_SECONDS:
            self._recycled = now
            ring.recycle(self._connection)
        self._lookout.turn()
        self._tell.report(self._waiting.count)

    def _beat(self, now: float) -> None:
        if self._mark is not None and now - self._beaten >= BEAT_SECONDS:
            self._mark.beat(self._connection)
            self._beaten = now

    def _rest(self, pause: float) -> None:
        due = self._flight.seconds_to_next()
        if due is not None and due <= 0:
            self._flight.start()
        elif not self._waiting.count or self._flight.partitions:
            self._stop.wait(pause if due is None else min(pause, due))

    def _finished(self, until: Until) -> bool:
        if until is Until.STOPPED or not self._reader.passes or self._letters or self._dropped:
            return False
        if until is Until.ACCOUNTED:
            return self._manifests.accounted()
        return outbox.empty_up_to(self._connection, self._upto)

    def _end(self) -> None:
        """Sees what is on its way home, for a while; the rest stays claimed."""
        self._grace.begin()
        while self._flight.partitions and not self._grace.over():
            self._vitals.turned()
            self._turn(0.1)
            if self._flight.idle and not self._flight.start():
                time.sleep(0.01)
        left = len(self._flight.partitions)
        logger.info("relay stopped", extra={"fields": {"claimed_partitions": left, "events": self.summary.events}})

"""The invariant as a machine: random writers, relays, faults and deaths in any order, and afterwards nothing is lost, doubled in content or reordered.

Belongs here: the steps. Not here: what must hold (truth.py), what Kinesis does (kinesis.py), how long it is run (test_machine.py).

One thread takes all steps, so a seed reproduces a run; a put runs in the relay's own thread, and each step waits for it, unless it is held.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import psycopg
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from publisher import backfill, deadletters, epoch, manifest
from publisher.database import connect
from publisher.digest import send_digest
from publisher.errors import InstallError, PublisherError
from publisher.outbox import try_lock
from publisher.relay import Relay, ReleaseSet, Until
from publisher.relay import loop as relay_loop
from publisher.relay.judging import fault_of
from publisher.risk.assess import assess
from publisher.sinks.kinesis import KinesisSink
from publisher.wire import EPOCH_BITS
from tests.faults.kinesis import ANSWERS, Kinesis
from tests.faults.sinks import FaultySink
from tests.faults.truth import SHADOW, TABLES, Truth
from tests.faults.writers import ACTS, Writer
from tests.integration.oracle import Oracle
from tests.integration.publisher.platform import secret
from tests.integration.publisher.relays import Killed

PATIENCE = 5.0
POISON = b"\x01not a ciphertext"


@dataclass
class World:
    """What outlives a run of the machine. `releases` differ in the version of a contract, so their bytes differ."""

    new_database: Callable[[], str]
    releases: tuple[ReleaseSet, ReleaseSet]
    kinesis: Kinesis
    sink: KinesisSink
    oracle: Oracle
    steps: int = 0
    did: Counter[str] = field(default_factory=Counter)

    def database(self) -> str:
        """The URL of a new one."""
        return self.new_database()


@dataclass
class Process:
    """A relay and what it dies with."""

    connection: psycopg.Connection[Any]
    relay: Relay
    sink: FaultySink


class Machine(RuleBasedStateMachine):
    """See the module's text."""

    world: ClassVar[World]

    @initialize()
    def begin(self) -> None:
        self.url = self.world.database()
        self.kinesis = self.world.kinesis
        self.kinesis.heal()
        self.kinesis.puts.clear()
        self.observer = psycopg.connect(self.url, autocommit=True)
        self.observer.execute(SHADOW)
        self.truth = Truth(self.observer, self.world.oracle)
        numbers = itertools.count(1)
        self.writers = [Writer(self.url, numbers) for _ in range(2)]
        self.process: Process | None = None
        self.zombies: list[Process] = []
        for table in ("creditors", "customers") * 3:
            self.writers[0].write("insert", table, 0)
            self.truth.observe()

    # Writers

    @rule(writer=st.integers(0, 1), writes=st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(sorted(TABLES)), st.integers(0, 9)), min_size=1, max_size=5))  # fmt: skip
    def write(self, writer: int, writes: list[tuple[str, str, int]]) -> None:
        for act, table, which in writes:
            self.writers[writer].write(act, table, which)
            self.truth.observe()
            self.world.did[f"write: {act}"] += 1
        self._did("writes")

    @rule(writer=st.integers(0, 1), commit=st.booleans())
    def transaction(self, writer: int, commit: bool) -> None:
        """Begins one, or ends the one that is open: long transactions, and numbers that never come."""
        self.writers[writer].transaction(commit=commit)
        self._did("transaction")

    # Relays

    @precondition(lambda self: self.process is None)
    @rule(release=st.integers(0, 1))
    def start(self, release: int) -> None:
        """Under either version of the contracts, whatever the former relay had."""
        connection = connect(self.url, "relay")
        assert try_lock(connection), "another relay holds the lock, and none is alive"
        sink = FaultySink(self.world.sink)
        self.process = Process(connection, Relay(connection, self.world.releases[release], sink, manifest_seconds=0.0), sink)
        self._drive(lambda relay: relay.begin())
        self._did("start")

    @precondition(lambda self: self.process is not None)
    @rule(rounds=st.integers(1, 8))
    def work(self, rounds: int) -> None:
        for _ in range(rounds):
            self._drive(lambda relay: relay.step(PATIENCE))
        self._did("work")

    @precondition(lambda self: self.process is not None)
    @rule()
    def stand_by(self) -> None:
        """A second relay gets no lock, and so nothing to do."""
        with connect(self.url, "standby") as connection:
            assert not try_lock(connection)
        self._did("stand by")

    @precondition(lambda self: self.process is not None)
    @rule(when=st.sampled_from(("now", "before the put", "after the put", "before the commit", "after the commit")))
    def die(self, when: str) -> None:
        """The process ends, at a named point of a round or between two."""
        process = self.process
        assert process is not None
        if when.endswith("commit"):
            self._die_at_commit(when)
        elif when != "now":
            process.sink.dies = when
            for _ in range(3):
                self._drive(lambda relay: relay.step(PATIENCE))
        self._bury()
        self._did(f"die: {when}")

    def _die_at_commit(self, when: str) -> None:
        commit = relay_loop.commit_round

        def dying(*args: Any, **parts: Any) -> None:
            if when == "after the commit":
                commit(*args, **parts)
            raise Killed

        relay_loop.commit_round = dying
        try:
            self._drive(lambda relay: relay.step(PATIENCE))
        finally:
            relay_loop.commit_round = commit

    @precondition(lambda self: self.process is not None and not self.zombies)
    @rule(answered=st.booleans())
    def stopped_and_fenced(self, answered: bool) -> None:
        """A process stands still before a put or after it; the database ends its session. It wakes up when another has taken over, or an epoch has begun."""
        process, self.process = self.process, None
        assert process is not None
        process.sink.hold, process.sink.holds_the_answer = threading.Event(), answered
        try:
            process.relay.step(0.01)
            process.relay.step(0.01)
        except (PublisherError, psycopg.Error):
            pass
        self.observer.execute("SELECT pg_terminate_backend(%s)", [process.connection.info.backend_pid])
        self.zombies.append(process)
        self._did(f"stopped and fenced {'after' if answered else 'before'} a put")

    @precondition(lambda self: bool(self.zombies))
    @rule()
    def wake(self) -> None:
        self._wake()
        self._did("wake")

    def _wake(self) -> None:
        for zombie in self.zombies:
            assert zombie.sink.hold is not None
            zombie.sink.hold.set()
            try:
                for _ in range(3):
                    zombie.relay.step(PATIENCE)
            except (PublisherError, psycopg.Error):
                pass
            else:
                raise AssertionError("a relay that has lost its session went on")
            finally:
                zombie.relay._flight.shut()
                zombie.connection.close()
        self.zombies.clear()

    def _drive(self, act: Callable[[Relay], Any]) -> None:
        """What the process does; if it dies or loses its session, it is gone, and the next begins from what the database knows."""
        if self.process is None:
            return
        try:
            act(self.process.relay)
        except (Killed, PublisherError, psycopg.Error) as error:
            note(f"the relay ended: {type(error).__name__}")
            self._bury()

    def _bury(self) -> None:
        if self.process is not None:
            self.process.connection.close()
            self.process.relay._flight.shut()
        self.process = None

    # The stream

    @rule(name=st.sampled_from((*sorted(ANSWERS), "throttled", "resharded")), times=st.integers(1, 3), shard=st.integers(0, 3))
    def stream(self, name: str, times: int, shard: int) -> None:
        if name == "throttled":
            self.kinesis.throttled ^= {shard}
        elif name == "resharded":
            self.kinesis.reshard(2**shard)
        else:
            self.kinesis.script.extend([ANSWERS[name]] * times)
        self._did(f"stream: {name}")

    # Operators

    @rule(what=st.sampled_from(("backfill", "poison", "mend", "look", "digest", "epoch")), table=st.sampled_from(sorted(TABLES)))
    def operate(self, what: str, table: str) -> None:
        if what == "backfill":
            self._backfill(table)
        elif what == "poison":
            self.writers[0].attempt("UPDATE customers SET postcode = %s WHERE id = (SELECT max(id) FROM customers)", POISON)
        elif not self._idle():
            return
        elif what == "mend":
            self._mend()
        elif what == "look":
            self._look()
        elif what == "digest":
            self._digest(table)
        elif self.process is None:
            self._begin_epoch()
        else:
            return
        self._did(what)

    def _backfill(self, table: str) -> None:
        """One chunk of three rows, from where the last one ended."""
        with connect(self.url, "backfill") as connection:
            sql, key_type = backfill.entity_sql(connection, self.world.releases[0].contracts, table)
            backfill.begin(connection, sql.table, sql.contract)
            with suppress(*backfill.BUSY):
                backfill._chunk(connection, sql.backfill(key_type), sql.contract, 3, 0)

    def _mend(self) -> None:
        """What cannot be decrypted is written anew, and the dead letters are judged again."""
        self.writers[0].attempt("UPDATE customers SET postcode = %s WHERE postcode = %s", secret("SW1A 1AA"), POISON)
        with connect(self.url, "replay") as connection:
            deadletters.replay(connection, partial(fault_of, self.world.releases[0].release))

    def _look(self) -> None:
        """A new version of the coarsening, also between put and acknowledgement."""
        release = self.world.releases[0]
        with connect(self.url, "risk") as connection:
            assess(connection, release.contracts, release.release, "customers")

    def _digest(self, table: str) -> None:
        """Reports among the rows, where nothing is due that forbids them."""
        with connect(self.url, "digest") as connection, suppress(InstallError):
            send_digest(connection, self.world.releases[0], table)

    def _begin_epoch(self) -> None:
        self.truth.before_new_numbers()
        with connect(self.url, "install") as connection:
            raised = epoch.raise_epoch(connection, "the machine")
        self.truth.excused_below = raised << EPOCH_BITS

    def _idle(self) -> bool:
        """Whether no writer holds locks that one thread would wait for in vain."""
        return all(writer.idle for writer in self.writers)

    def _did(self, what: str) -> None:
        self.truth.observe()
        self.world.steps += 1
        self.world.did[what] += 1

    def teardown(self) -> None:
        """Everything that is open ends, everything is healed, a last relay drains: then what happened must be in the stream."""
        if not hasattr(self, "truth"):
            return
        for writer in self.writers:
            if not writer.idle:
                writer.transaction(commit=False)
        self.truth.observe()
        self.kinesis.heal()
        self._wake()
        self._bury()
        with connect(self.url, "relay") as connection:
            assert try_lock(connection)
            Relay(connection, self.world.releases[1], self.world.sink, manifest_seconds=0.0).run(Until.ACCOUNTED)
            Relay(connection, self.world.releases[1], self.world.sink, manifest_seconds=0.0).run(Until.ACCOUNTED)
            assert manifest.unsent(connection, self.world.releases[1].contracts) == []
        try:
            found = self.truth.violations(self.kinesis.puts)
            waiting = self.observer.execute("SELECT count(*) FROM publisher.outbox").fetchone()
            assert waiting == (0,), "rows wait in the outbox"
            assert found == [], "; ".join(found[:5])
        finally:
            for each in (self.observer, *self.writers):
                each.close()

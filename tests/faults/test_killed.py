"""Real processes, killed: relays at named points, the database, the stream. Afterwards nothing is lost, and repeats are byte-equal.

A few rounds with the other tests, hundreds with `make faults`. The order of the rounds and what is written in them follow from FAULT_SEED.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from demo.cloud.ministack import Emulator
from demo.cloud.postgres import Postgres
from demo.cloud.provision import provision
from demo.platform.migrations import migrate
from demo.processes import temporary_folder
from publisher.capture import install
from publisher.contracts import load_contracts
from publisher.database import connect
from tests.faults.kinesis import Kinesis, serve
from tests.faults.processes import Trap, start_relay
from tests.faults.truth import SHADOW, Truth
from tests.fixtures.long import LONG
from tests.integration.oracle import Oracle
from tests.integration.publisher.conftest import CONTRACTS
from tests.integration.publisher.relays import wait_for

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "7"))
SEED = int(os.environ.get("FAULT_SEED", "1"))
PATIENCE = 60.0
RELAYS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'publisher relay' AND datname = current_database()"


@dataclass
class Site:
    """A platform with its database and stream, and somebody who writes."""

    postgres: Postgres
    folder: Path
    environment: dict[str, str]
    kinesis: Kinesis
    trap: Trap
    truth: Truth
    log: Path
    chance: random.Random
    server: ExitStack
    told: set[int] = field(default_factory=set)
    """The numbers of changes of which the database said that they are committed."""
    forgotten: int = 0
    """How many of those a crash took back: the platform commits without flushing."""

    @property
    def url(self) -> str:
        return self.environment["PLATFORM_DATABASE_URL"]

    def write(self, transactions: int) -> None:
        """Updates of all rows, of one, deletes and re-inserts, committed as the platform likes: not flushed."""
        with suppress(psycopg.OperationalError), psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = off")
            for _ in range(transactions):
                self._transaction(connection)
                last = connection.execute("SELECT currval('publisher.seq')").fetchone()
                self.told.add(last[0] if last else 0)

    def _transaction(self, connection: psycopg.Connection[Any]) -> None:
        which, sector = self.chance.randrange(60), self.chance.choice(("bank", "card", "retail"))
        act = self.chance.choice(("bulk", "update", "update", "delete", "insert"))
        if act == "bulk":
            connection.execute("UPDATE creditors SET sector = %s WHERE id %% 3 = %s", [sector, which % 3])
        elif act == "update":
            connection.execute("UPDATE creditors SET sector = %s WHERE id = %s", [sector, which])
        elif act == "delete":
            connection.execute("DELETE FROM creditors WHERE id = %s", [which])
        connection.execute(
            "INSERT INTO creditors (id, code, name, sector, contact_email, created_at)"
            " VALUES (%s, 'C' || lpad(%s::text, 3, '0'), 'n', %s, '\\x01', now()) ON CONFLICT (id) DO UPDATE SET sector = excluded.sector",
            [which, which, sector],
        )  # fmt: skip

    def observe(self) -> Truth:
        """The observer, on a session that lives."""
        if self.truth.connection.closed or self.truth.connection.broken:
            self.truth.connection = psycopg.connect(self.url, autocommit=True)
        return self.truth

    def relay_beside_a_writer(self, transactions: int) -> tuple[subprocess.Popen[bytes], threading.Thread]:
        """Both at work, the relay with a session."""
        relay = start_relay(self.environment, self.log)
        writer = threading.Thread(target=self.write, args=[transactions])
        writer.start()
        self.connected()
        return relay, writer

    def connected(self) -> None:
        """Waits until a relay has a session."""
        wait_for(lambda: self.observe().connection.execute(RELAYS).fetchone() != (0,), PATIENCE)

    def alone(self) -> None:
        """Waits until no relay has a session."""
        wait_for(lambda: self.observe().connection.execute(RELAYS).fetchone() == (0,), PATIENCE)


@pytest.fixture
def site(cloud: Emulator, prefix: str, tmp_path: Path) -> Iterator[Site]:
    """A database server of its own, since it is killed."""
    folder = temporary_folder("faults-postgres")
    kinesis, server = Kinesis(), ExitStack()
    server.enter_context(serve(kinesis))
    postgres = Postgres.start(folder, durable=False)
    with ExitStack() as undo:
        undo.callback(postgres.stop)
        url = postgres.create_database("site")
        migrate(url)
        with connect(url, "test") as connection:
            install(connection, load_contracts(CONTRACTS))
            connection.execute(SHADOW)  # type: ignore[arg-type]
            # What nobody flushes stays in memory: by itself the server writes it down within 0.2 s, and a crash would seldom find any.
            connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
            connection.execute("SELECT pg_reload_conf()")
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **provision(cloud.environment(), prefix=prefix, shards=1), "PLATFORM_DATABASE_URL": url, "CONTRACTS_DIR": str(CONTRACTS),
            "AWS_ENDPOINT_URL_KINESIS": kinesis.endpoint_url, "PUBLISHER_MANIFEST_SECONDS": "1",
        }  # fmt: skip
        truth = Truth(psycopg.connect(url, autocommit=True), Oracle.of(cloud, environment))
        made = Site(
            postgres, folder, environment, kinesis, Trap(kinesis), truth, tmp_path / "relay.log", random.Random(SEED), server
        )
        try:
            yield made
        finally:
            made.truth.connection.close()
            made.server.close()
            made.postgres.stop()
    shutil.rmtree(folder, ignore_errors=True)


def killed_at(site: Site, moment: str) -> None:
    """The relay dies at a moment of a put; a new one goes on in the next round."""
    relay = start_relay(site.environment, site.log)
    site.trap.set(relay, moment)
    site.write(10)
    assert site.trap.sprung.wait(PATIENCE), f"no put came to be killed {moment}:\n{site.log.read_text()[-1000:]}"
    relay.wait()


def killed_at_any_time(site: Site) -> None:
    relay, writer = site.relay_beside_a_writer(30)
    time.sleep(site.chance.uniform(0.0, 0.3))
    relay.kill()
    relay.wait()
    writer.join()


def stopped_and_fenced(site: Site) -> None:
    """SIGSTOP in the middle of a put; the database ends its session; another takes over; then the first wakes up."""
    relay = start_relay(site.environment, site.log)
    site.trap.set(relay, "stopped in a put")
    site.write(5)
    assert site.trap.sprung.wait(PATIENCE)
    site.observe().connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'publisher relay'"
    )
    site.write(5)
    drained = start_relay(site.environment, site.log, "--drain")
    assert drained.wait(PATIENCE) == 0, site.log.read_text()[-1000:]
    os.kill(relay.pid, signal.SIGCONT)
    site.write(5)
    time.sleep(0.5)
    relay.terminate()
    assert relay.wait(PATIENCE) == 0, "it stood up again, as a relay without a session should"


def database_killed(site: Site) -> None:
    """kill -9 of PostgreSQL while the platform commits without flushing: the relay waits for it, and goes on.

    In half of the rounds the relay stands still just before: its own commits, which are flushed, would flush the platform's with them. Only
    processes die, so what the system has written down is still there: a power cut is not tried.
    """
    relay, writer = site.relay_beside_a_writer(100_000)  # more than it comes to: it writes until the database dies
    time.sleep(site.chance.uniform(0.1, 0.5))
    if stands := site.chance.random() < 0.5:
        os.kill(relay.pid, signal.SIGSTOP)
        time.sleep(0.05)
    postmaster = psutil.Process(site.postgres.child.pid)
    backends = postmaster.children(recursive=True)
    site.postgres.child.process.kill()
    site.postgres.child.process.wait()
    psutil.wait_procs(backends, timeout=PATIENCE)
    writer.join()
    site.postgres = Postgres.start(site.folder, port=site.postgres.port, durable=False)
    with suppress(psycopg.Error):
        site.truth.connection.close()
    if stands:
        os.kill(relay.pid, signal.SIGCONT)
    site.forgotten += site.observe().after_a_crash(site.told)
    site.told.clear()
    site.connected()
    relay.terminate()
    assert relay.wait(PATIENCE) == 0, site.log.read_text()[-1000:]


def stream_killed(site: Site) -> None:
    """Nothing listens where the stream was, for a while."""
    relay = start_relay(site.environment, site.log)
    site.connected()
    site.write(5)
    site.server.close()
    site.write(5)
    time.sleep(site.chance.uniform(0.0, 0.5))
    site.server = ExitStack()
    site.server.enter_context(serve(site.kinesis, site.kinesis.port))
    site.write(5)
    time.sleep(0.3)
    relay.terminate()
    assert relay.wait(PATIENCE) == 0, site.log.read_text()[-1000:]


KINDS = {
    "relay killed after the claim": lambda site: killed_at(site, "after the claim"),
    "relay killed after the put": lambda site: killed_at(site, "after the put"),
    "relay killed with manifests on their way": lambda site: killed_at(site, "with manifests"),
    "relay killed at any time": killed_at_any_time,
    "relay stopped, fenced, and awake again": stopped_and_fenced,
    "PostgreSQL killed": database_killed,
    "the stream gone for a while": stream_killed,
}


def test_whatever_is_killed_nothing_is_lost_or_reordered_and_repeats_are_byte_equal(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = [list(KINDS)[n % len(KINDS)] for n in range(ROUNDS)]
    site.chance.shuffle(kinds)
    for number, kind in enumerate(kinds):
        KINDS[kind](site)
        site.alone()
        site.observe().observe()
        if LONG and (number + 1) % 25 == 0:
            with capsys.disabled():
                print(f"\n{number + 1} of {ROUNDS} rounds", end="", flush=True)
    drained = start_relay(site.environment, site.log, "--drain")
    assert drained.wait(PATIENCE) == 0, site.log.read_text()[-1000:]
    site.observe().observe()
    found = site.truth.violations(site.kinesis.puts)
    assert found == [], f"seed {SEED}: " + "; ".join(found[:10])
    lines = Counter(line for put in site.kinesis.puts for line in put.data.splitlines())
    repeats = sum(times - 1 for times in lines.values())
    assert repeats > 0, "nothing was repeated: nothing was killed at a moment that matters"
    if LONG:
        assert site.forgotten > 0, "no crash took back what was committed without flushing: nothing that matters was tried"
        with capsys.disabled():
            print(f"{site.forgotten:,} commits that were not flushed were gone after a crash.")
            print(f"\n{ROUNDS} rounds (seed {SEED}): {dict(Counter(kinds))}")
            print(
                f"{len(site.truth.entity_of):,} changes, 0 lost, 0 first deliveries out of order, {repeats:,} repeats, all byte-equal."
            )

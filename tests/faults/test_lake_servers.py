"""The Spark server killed under a run, with and without the command that looks after it, and S3 gone for a while: the lake is in S3, under
its writer lease, and afterwards it is that of an undisturbed run, row for row.

With `make faults`: a server takes seconds to start, and the lease of a killed one half a minute to run out.
"""

from __future__ import annotations

import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from demo.cloud.ministack import Emulator
from demo.cloud.provision import provision
from resources.ports import free_port
from tests.faults.lake_proxy import Proxy, proxied
from tests.faults.lake_site import LakeSite
from tests.faults.test_lake_killed import ROUNDS, SEED
from tests.fixtures.long import LONG
from tests.fixtures.spark import serving

ROUNDS_OF_SERVERS = max(3, ROUNDS // 8)
LEASE_SECONDS = 120.0
"""Until which a server must have started again: the lease of a killed one takes 30 s, its start some seconds more."""


@dataclass
class Server:
    """A server as an operator's supervisor keeps it: started again on the same port when it has ended."""

    cloud: dict[str, str]
    lake_uri: str
    folder: Path
    port: int = field(default_factory=free_port)
    running: ExitStack = field(default_factory=ExitStack)
    pid: int = 0
    refusals: int = 0

    def start(self) -> None:
        """Tries until it starts: a lease that nobody gave back holds it off."""
        deadline = time.monotonic() + LEASE_SECONDS
        while True:
            try:
                facts = self.running.enter_context(serving(self.cloud, self.folder, lake_uri=self.lake_uri, port=self.port))
            except pytest.fail.Exception:
                log = (self.folder / "server.log").read_text()
                assert "writes to this lake" in log or "taken" in log, log[-2000:]
                assert time.monotonic() < deadline, "the lease did not run out"
                self.refusals += 1
                time.sleep(1)
                continue
            self.pid = facts["pid"]
            return

    def kill(self, *, with_its_command: bool) -> None:
        command = psutil.Process(self.pid)
        java = command.children()
        for process in [command] if with_its_command else java:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs([command, *java], timeout=60)
        self.running.close()
        self.running = ExitStack()


@pytest.fixture
def proxy(cloud: Emulator) -> Iterator[Proxy]:
    with proxied(cloud.port) as proxy:
        yield proxy


@pytest.fixture
def server(cloud: Emulator, proxy: Proxy, prefix: str, tmp_path: Path) -> Iterator[Server]:
    provision(cloud.environment(), prefix=prefix, shards=1)
    environment = {**cloud.environment(), "AWS_ENDPOINT_URL": proxy.endpoint_url}
    made = Server(environment, f"s3://{prefix}lake", tmp_path / "server")
    made.folder.mkdir()
    made.start()
    yield made
    made.running.close()


@pytest.fixture
def site(server: Server, cloud: Emulator, prefix: str, tmp_path: Path) -> LakeSite:
    names = provision(cloud.environment(), prefix=prefix, shards=1)
    sqs = cloud.client("sqs")
    idle = sqs.create_queue(QueueName=f"{prefix}idle-{secrets.token_hex(3)}")["QueueUrl"]
    environment = {**names, "SPARK_REMOTE": f"sc://127.0.0.1:{server.port}"}
    made = LakeSite(environment, f"{names['LAKE_URI']}/undisturbed", idle, cloud.client("s3"), sqs, tmp_path / "runs.log", SEED)
    made.make_lakes()
    return made


def _killed(with_its_command: bool) -> Callable[[Server, Proxy], None]:
    def kill(server: Server, _: Proxy) -> None:
        server.kill(with_its_command=with_its_command)
        server.start()

    return kill


def _cut(server: Server, proxy: Proxy) -> None:
    proxy.refuse(b" HTTP/1.1")
    time.sleep(3)
    proxy.heal()


KINDS: dict[str, Callable[[Server, Proxy], None]] = {
    "the server's Java killed": _killed(False),
    "the server killed with its command": _killed(True),
    "S3 gone for a while": _cut,
}


@pytest.mark.skipif(not LONG, reason="`make faults` kills servers")
def test_a_server_killed_under_a_run_loses_and_doubles_no_row(
    site: LakeSite, server: Server, proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = [list(KINDS)[n % len(KINDS)] for n in range(ROUNDS_OF_SERVERS)]
    done: Counter[str] = Counter()
    for kind in kinds:
        site.land()
        run = site.begin()
        time.sleep(site.chance.uniform(1.0, 12.0))
        KINDS[kind](server, proxy)
        done[f"{kind}: run ended with {site.ended(run)}"] += 1
    site.settle()
    before = proxy.requests.copy()
    site.land()
    site.settle()
    calls = proxy.requests - before
    site.run_undisturbed()
    site.compare()
    assert server.refusals, "a server whose predecessor was killed waits for its lease"
    with capsys.disabled():
        print(f"\nlake's servers, seed {SEED}: {dict(done)}; held off by a lease {server.refusals} times")
        print(f"what Spark asks of S3 for an increment of two small objects of three entities, history and all: {dict(calls)}")

"""What the benchmarks stand on: a platform's database with and without capture, a stream, processes of their own.

Belongs here: starting and stopping. Not here: what is measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.cloud.postgres import Postgres
from demo.platform import migrate
from demo.processes import temporary_folder
from publisher.capture import install
from publisher.contracts import load_contracts
from publisher.database import connect
from publisher.keys import encrypt
from resources.ports import LOOPBACK, free_port

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "contracts"
DATA_KEY, PSEUDONYM_KEY = b"d" * 32, b"p" * 32
VALUES = {
    "text": encrypt(DATA_KEY, "x" * 20),
    "born": encrypt(DATA_KEY, "1980-02-03"),
    "postcode": encrypt(DATA_KEY, "SW1A 1AA"),
}
INSERT = (
    "INSERT INTO customers (full_name, email, phone, date_of_birth, address, postcode, status, preferred_channel, marketing_consent)"
    " SELECT %(text)s, %(text)s, %(text)s, %(born)s, %(text)s, %(postcode)s, 'active', 'email', true FROM generate_series(1, %(rows)s)"
)
UPDATE = "UPDATE customers SET marketing_consent = NOT marketing_consent"


@contextmanager
def databases() -> Iterator[tuple[Postgres, str, str]]:
    """A durable server, and two databases of the demo's platform: as it is, and captured."""
    with Postgres.start(temporary_folder("bench-postgres")) as server:
        plain, captured = server.create_database("plain"), server.create_database("captured")
        for url in (plain, captured):
            migrate(url)
        with connect(captured, "bench") as connection:
            install(connection, load_contracts(CONTRACTS))
        yield server, plain, captured


@dataclass(frozen=True)
class Stream:
    """A running stream.py."""

    url: str

    def told(self) -> dict[str, Any]:
        """What came since it was last asked."""
        with urllib.request.urlopen(self.url, timeout=60) as answer:
            return dict(json.loads(answer.read()))


@contextmanager
def stream(*, keep: bool = False) -> Iterator[Stream]:
    """Starts one."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.publisher.stream", str(port), *(["keep"] if keep else [])]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield Stream(f"http://{LOOPBACK}:{port}")
        process.terminate()


def relay(database: str, endpoint: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts drain.py: a relay in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.publisher.drain", database, endpoint, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)

"""What a relay sends from a backlog, beside other ways to the same stream.

The relay reads the database, decrypts, derives, packs, claims, puts, counts and deletes. Its peers get finished lines in memory, and only put them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from benchmarks.publisher.peers import PEERS
from benchmarks.publisher.site import INSERT, ROOT, UPDATE, VALUES, Stream, databases, relay, stream

BACKLOG = int(os.environ.get("BENCH_BACKLOG", "1000000"))
OF_PEERS = min(100_000, BACKLOG)
PEER_PACKAGES = ("async-kinesis==3.0.1", "aiokpl==0.2.0")


def main() -> None:
    with databases() as (_, _, captured), tempfile.TemporaryDirectory() as folder:
        packages = _peers_installed()
        print(f"{'to one stream, this run':34}{'events/s':>10}{'MiB':>8}{'bytes/event':>13}{'put units/event':>17}{'ratio':>8}")
        with stream(keep=True) as kept:
            _fill(captured, OF_PEERS)
            _drain(captured, kept)
            lines = [line for _, batch in kept.told()["lines"] for line in batch if '"entity":"customers"' in line]
        file = Path(folder) / "lines"
        file.write_text("\n".join(f"{json.loads(line)['key']}\t{line}" for line in lines))
        with stream() as taking:
            _fill(captured, BACKLOG)
            ours = _drain(captured, taking)
            rate = ours["events"] / ours["seconds"]
            _row(f"relay, {BACKLOG:,} waiting", rate, ours["mib"], taking.told(), ours["events"], 1.0)
            for name in PEERS:
                done = _peer(name, file, taking, packages)
                if done is None:
                    print(f"{name:34}{'could not be run':>26}")
                    continue
                theirs = done["events"] / done["seconds"]
                _row(f"{name}, {OF_PEERS:,} lines", theirs, None, taking.told(), done["events"], rate / theirs)
    print(
        "ratio: how many times the relay sends as much. The peers have no database to read, nothing to decrypt, and lose what a kill takes."
    )


def _fill(url: str, events: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE customers CASCADE")
        connection.execute("DELETE FROM publisher.outbox")
        rows = max(1, events // 5)
        connection.execute(INSERT, {**VALUES, "rows": rows})
        for _ in range(4):
            connection.execute(UPDATE)
        connection.execute("DELETE FROM publisher.outbox WHERE op = 'delete'")


def _drain(url: str, to: Stream) -> dict[str, float]:
    to.told()
    with relay(url, to.url) as process:
        assert process.stdout is not None
        return dict(json.loads(process.stdout.read()))


def _peers_installed() -> Path | None:
    """The peers in a folder of their own: what they pin must not meet what we do."""
    folder = ROOT / ".lake" / "peers"
    if not folder.exists():
        partial = folder.with_name("peers.partial")
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", str(partial)]
        if subprocess.run([*command, *PEER_PACKAGES], check=False).returncode:
            return None
        partial.rename(folder)
    return folder


def _peer(name: str, file: Path, to: Stream, packages: Path | None) -> dict[str, float] | None:
    env = {**os.environ, "PYTHONPATH": str(packages or ""), "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    command = [sys.executable, str(ROOT / "benchmarks" / "publisher" / "peers.py"), name, str(file), to.url]
    to.told()
    done = subprocess.run(command, env=env, cwd=file.parent, capture_output=True, check=False, timeout=600)
    if done.returncode:
        print(done.stderr.decode()[-500:], file=sys.stderr)
        return None
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _row(name: str, rate: float, mib: float | None, told: dict[str, float], events: float, ratio: float) -> None:
    memory = f"{mib:>8,.0f}" if mib is not None else f"{'':>8}"
    print(
        f"{name:34}{rate:>10,.0f}{memory}{told['bytes'] / events:>13,.0f}{told['put_units'] / events:>17.3f}{ratio:>8.2f}",
        flush=True,
    )

"""Proves that the faults' judge would see each kind of violation: on a stream as it truly was, and on the same one tampered with."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Callable

import psycopg

from publisher.database import connect
from publisher.outbox import try_lock
from publisher.relay import Relay, ReleaseSet, Until
from publisher.sinks.kinesis import KinesisSink
from publisher.wire import MANIFEST
from tests.faults.kinesis import Kinesis, Put
from tests.faults.truth import SHADOW, Truth
from tests.faults.writers import Writer
from tests.integration.oracle import Oracle
from tests.integration.publisher.platform import DATA_KEY, PSEUDONYM_KEY

Lines = list[bytes]


def _changed(lines: Lines, op: str, **values: object) -> Lines:
    """The last event of this kind, with other values in its record or envelope."""
    at = max(n for n, line in enumerate(lines) if json.loads(line)["op"] == op and json.loads(line)["entity"] != MANIFEST)
    event = json.loads(lines[at])
    event.update({name: value for name, value in values.items() if name in event})
    event["record"].update({name: value for name, value in values.items() if name in event["record"]})
    return [*lines[:at], json.dumps(event, separators=(",", ":")).encode(), *lines[at + 1 :]]


TAMPERED: dict[str, Callable[[Lines], Lines]] = {
    "lost": lambda lines: lines[1:],
    "out of order": lambda lines: lines[::-1],
    "several contents": lambda lines: [*lines, *_changed(lines, "update", committed_at="2001-01-01T00:00:00Z")],
    "never committed": lambda lines: [*lines, *_changed(lines, "update", seq=2**62)],
    "the last event of a row": lambda lines: _changed(lines, "update", sector="other"),
    "events, ": lambda lines: [re.sub(rb'"events":[1-9]', b'"events":99', line) for line in lines],
}


def test_a_stream_that_was_tampered_with_is_told_from_the_true_one(
    database_of_its_own: Callable[[], str], two_releases: tuple[ReleaseSet, ReleaseSet], kinesis: Kinesis, kinesis_sink: KinesisSink
) -> None:  # fmt: skip
    url = database_of_its_own()
    kinesis.heal()
    kinesis.puts.clear()
    with psycopg.connect(url, autocommit=True) as observer, connect(url, "relay") as connection:
        observer.execute(SHADOW)
        truth, writer = Truth(observer, Oracle(DATA_KEY, PSEUDONYM_KEY)), Writer(url, itertools.count(1))
        for act in ("insert", "update"):
            writer.write(act, "creditors", 0)
            truth.observe()
        writer.close()
        assert try_lock(connection)
        Relay(connection, two_releases[0], kinesis_sink, manifest_seconds=0.0).run(Until.ACCOUNTED)
        lines = [line for put in kinesis.puts for line in put.data.splitlines()]
        assert truth.violations(_as_puts(kinesis.puts[0], lines)) == []
        for said, tamper in TAMPERED.items():
            found = truth.violations(_as_puts(kinesis.puts[0], tamper(lines)))
            assert any(said in each for each in found), (said, found)


def _as_puts(like: Put, lines: Lines) -> list[Put]:
    return [dataclasses.replace(like, data=b"\n".join([*lines, b""]))]

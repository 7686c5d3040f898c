"""`python -m demo.leakscan.benchmark`: how fast the scan is, on invented people and a lake that holds none of them.

Belongs here: making them and measuring. Not here: a verdict; a machine that does other things is slower.

The corpus is what a lake mostly holds: events as JSON lines in gzip, the same as Parquet, and logs; its size is counted decoded.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from demo.leakscan.needles import Needles
from demo.leakscan.scan import scan
from demo.leakscan.sources import FilesSource
from demo.platform.people import SENTENCES, People

EVENTS = 20_000  # a file
MB = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.leakscan.benchmark", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200, help="decoded (default: %(default)s)")
    parser.add_argument("--people", type=int, default=15_000, help="with ten values each (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="default: %(default)s")
    parsed = parser.parse_args()
    values = list(_values(parsed.people))
    began = time.monotonic()
    needles = Needles.of(values)
    prepared = time.monotonic() - began
    with tempfile.TemporaryDirectory(prefix="leakscan-benchmark-") as folder:
        _corpus(Path(folder), parsed.megabytes * MB)
        before, began = _processor_seconds(), time.monotonic()
        report = scan([FilesSource("corpus", Path(folder))], needles, processes=parsed.processes)
        took, worked = time.monotonic() - began, _processor_seconds() - before
        packed = sum(path.stat().st_size for path in Path(folder).iterdir() if path.suffix != ".log")
    for line in report.lines():
        print(line)
    decoded = (sum(report.bytes.values()) - packed) / MB
    children, own = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    print(f"{len(values):,} values: patterns made in {prepared:.1f} s")
    print(f"{decoded:,.0f} MB decoded in {took:.1f} s: " + ", ".join(f"{k} {v:.1f} s" for k, v in report.seconds.items()))
    search = report.seconds["read and search"]
    rate, overhead = decoded / search, prepared + took - search
    print(f"{rate:,.0f} MB/s in {parsed.processes} processes; 1 GB with all: {overhead + 1000 / rate:.0f} s")
    # On a machine that does other things, the processor's seconds say more than the clock's.
    print(f"processor: {worked:.1f} s for the scan, {worked / decoded * 1000:.0f} s for 1 GB")
    print(f"largest process that searches: {children.ru_maxrss / 1024:,.0f} MiB; this one: {own.ru_maxrss / 1024:,.0f} MiB")


def _processor_seconds() -> float:
    """What this process and those that it waited for have used so far: with one process, this one searches by itself."""
    used = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def _values(count: int) -> Iterator[tuple[str, str]]:
    people = People(7)
    born_before = date(2026, 11, 24)
    for number in range(count):
        person = people.person(born_before)
        yield "customers.full_name", person.full_name
        yield "customers.date_of_birth", person.date_of_birth.isoformat()
        for column in ("email", "phone", "address", "postcode"):
            if value := getattr(person, column):
                yield f"customers.{column}", value
        yield "debts.account_reference", people.account_reference()
        yield "plans.notes", people.note()
        yield "plans.monthly_income", str(people.monthly_income_pence())
        yield "payments.bank_account", people.bank_account()
        yield "messages.body", people.message(list(SENTENCES)[number % len(SENTENCES)], person.full_name)


def _corpus(folder: Path, size: int) -> None:
    written, number = 0, 0
    source = random.Random(11)
    while written < size:
        events = [_event(source, number * EVENTS + i) for i in range(EVENTS)]
        lines = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events).encode()
        (folder / f"{number:04d}.gz").write_bytes(gzip.compress(lines, 1))
        records = [event["record"] | {"_key": event["key"], "_seq": event["seq"]} for event in events]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(records), buffer)
        (folder / f"{number:04d}.parquet").write_bytes(buffer.getvalue())
        log = "".join(
            f"2026-11-24 04:05:{i % 60:02d} INFO relay: sent {i} events of partition {i % 256}\n" for i in range(20_000)
        )
        (folder / f"{number:04d}.log").write_text(log)
        written += len(lines) + 110 * EVENTS + len(log)
        number += 1


def _event(source: random.Random, number: int) -> dict[str, Any]:
    key = f"{source.getrandbits(128):032x}"
    record: dict[str, Any] = {
        "id": key,
        "customer_id": f"{source.getrandbits(128):032x}",
        "product": source.choice(("credit_card", "loan", "overdraft", "council_tax")),
        "principal_band": "1000-5000",
        "balance_pence": source.randrange(2000) * 1000,
        "status": source.choice(("open", "in_plan", "settled")),
        "placed_on": (date(2023, 1, 1) + timedelta(days=source.randrange(1400))).isoformat(),
        "closed_on": None,
    }
    return {
        "entity": "debts",
        "op": "update",
        "key": key,
        "seq": (1 << 48) + number,
        "subject": record["customer_id"],
        "committed_at": "2026-11-24T04:05:00Z",
        "contract": "1.0.0",
        "record": record,
    }


if __name__ == "__main__":
    main()

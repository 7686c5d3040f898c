"""The wire format: one JSON line an event, the same bytes for the same event on any day.

Belongs here: the envelope's form, partitions and digests. Not here: what a record holds (release.py).

The line is canonical: compact JSON, keys in a fixed order, every field of the contract present (null where it has no value). The lake
relies on it: one regular expression an entity fixes every byte outside the values, and a line that matches it is loaded as it is. Any other is
judged value by value (lake_assets/transforms, canonical.py and validate.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
import xxhash

from publisher.contracts.model import CoarseTime, Precision

PARTITIONS = 256
DIGEST_SEED = 42
"""Spark's xxhash64 has this seed, so that both sides compute the same digest."""

EPOCH_BITS = 48
"""`seq` is epoch · 2⁴⁸ + a number of the database's sequence."""

MANIFEST = "_manifest"
MANIFEST_VERSION = "1.1.0"
RISK = "_risk"
RISK_VERSION = "1.0.0"
RISK_COUNTS = (
    "version", "k", "people", "groups", "smallest", "silent", "coarsened", "people_below_k", "groups_before", "smallest_before",
)  # fmt: skip
"""The counts of a risk report, in wire order."""

STATE = "_state"
STATE_VERSION = "1.0.0"
BUCKETS = 256
REPORTS = frozenset({RISK, STATE})
"""What tells of rows instead of being one: in the outbox among them, and counted by no manifest."""

UPSERTS = frozenset({"insert", "update", "snapshot"})
DELETES = frozenset({"delete", "erase"})
OPS = UPSERTS | DELETES
GONE = "gone"
"""In the outbox alone: a row that the lake still has and the platform has not. Its key is its code already; it leaves as a delete."""


_CUTS = {
    "second": (19, ""), "minute": (16, ":00"), "hour": (13, ":00:00"),
    "day": (10, "T00:00:00"), "month": (7, "-01T00:00:00"), "year": (4, "-01-01T00:00:00"),
}  # fmt: skip
"""Of each precision, how much of `2026-11-24T01:02:03` is kept, and what stands for the rest."""


class ReleasedEvent(NamedTuple):
    """An event as it leaves. `line` has no newline; `digest` is its XXH64, unsigned."""

    entity: str
    op: str
    key: str
    seq: int
    line: bytes
    partition: int
    digest: int


def encode(
    *,
    entity: str,
    op: str,
    key: str,
    seq: int,
    committed_at: str,
    contract: str,
    subject: str | None,
    has_subject: bool,
    record: Mapping[str, Any] | None,
) -> ReleasedEvent:
    """Builds the line of one event. `subject` is left out where the entity has no person, null where the person is not known."""
    event: dict[str, Any] = {"entity": entity, "op": op, "key": key, "seq": seq}
    if has_subject:
        event["subject"] = subject
    event["committed_at"] = committed_at
    event["contract"] = contract
    if record is not None:
        event["record"] = record
    line = orjson.dumps(event)
    return ReleasedEvent(entity, op, key, seq, line, partition_of(entity, key), digest_of(line))


def partition_of(entity: str, key: str) -> int:
    """The partition (0 to 255) in which all events of a key keep their order."""
    return hashlib.sha256(f"{entity}:{key}".encode()).digest()[0]


def explicit_hash_key(partition: int) -> str:
    """Kinesis' 128-bit hash key for a partition: spreads 256 partitions evenly over any number of shards."""
    return str(partition << 120)


def digest_of(line: bytes) -> int:
    """XXH64 of a line without its newline, as an unsigned number."""
    return xxhash.xxh64_intdigest(line, DIGEST_SEED)


def cut_time(moment: datetime, precision: Precision | CoarseTime) -> str:
    """ISO 8601 in UTC, cut (never rounded up) to the precision of the contract, or to that of a k-group's dates.

    The time of an event could otherwise undo a truncated date in its record.
    """
    kept, rest = _CUTS[precision]
    return f"{moment.astimezone(UTC).isoformat()[:kept]}{rest}Z"


def manifest(
    *,
    of: str,
    seq_from: int,
    seq_to: int,
    revision: int,
    closed_at: datetime,
    events: int,
    dead_letters: int,
    digest: int,
    backfill_due: bool = False,
    key_version: int = 1,
) -> ReleasedEvent:
    """The event that accounts for the range (`seq_from`, `seq_to`] of one entity.

    `backfill_due`: some of the table's rows may not have been sent by the end of the range, since a backfill has still to send them.
    `key_version`: under which pseudonym key its events' codes were made.
    """
    closed = cut_time(closed_at, "second")
    record = {
        "of": of,
        "seq_from": seq_from,
        "seq_to": seq_to,
        "revision": revision,
        "closed_at": closed,
        "events": events,
        "dead_letters": dead_letters,
        "digest": str(digest % 2**64),
        "backfill_due": backfill_due,
        "key_version": key_version,
    }
    return encode(
        entity=MANIFEST, op="manifest", key=of, seq=seq_to, committed_at=closed, contract=MANIFEST_VERSION,
        subject=None, has_subject=False, record=record,
    )  # fmt: skip


def risk_report(seq: int, computed_at: datetime, of: str, kgroup: str, counts: Mapping[str, int]) -> ReleasedEvent:
    """The event that tells how large the groups of a k-group are, before and after coarsening. Counts only."""
    computed = cut_time(computed_at, "second")
    record = {"of": of, "kgroup": kgroup, "computed_at": computed, **{name: int(counts[name]) for name in RISK_COUNTS}}
    return encode(
        entity=RISK, op="report", key=of, seq=seq, committed_at=computed, contract=RISK_VERSION, subject=None, has_subject=False, record=record,
    )  # fmt: skip


def state_digest(seq: int, as_of: datetime, of: str, contract: str, bucket: int, counts: Mapping[str, int]) -> ReleasedEvent:
    """The event that tells what one of 256 parts of a table said at a time: how many rows, and the sum of their digests.

    The state is that after all events up to `seq_low`, and of those up to `seq_high` perhaps some. `unreleased`: rows that could not leave.
    """
    at = cut_time(as_of, "second")
    record = {
        "of": of, "bucket": int(bucket), "seq_low": int(counts["seq_low"]), "seq_high": int(counts["seq_high"]), "as_of": at, "released_as": contract,
        "rows": int(counts["rows"]), "unreleased": int(counts["unreleased"]), "digest": str(int(counts["digest"]) % 2**64),
    }  # fmt: skip
    return encode(
        entity=STATE, op="report", key=of, seq=seq, committed_at=at, contract=STATE_VERSION, subject=None, has_subject=False, record=record,
    )  # fmt: skip


def bucket_of(key: str) -> int:
    """The part of its table, of 256, in which a row is compared: the low byte of its code's XXH64, which Spark computes alike."""
    return digest_of(key.encode()) % BUCKETS


def record_of(line: bytes) -> bytes:
    """The record's JSON within a line, where it always stands last."""
    return line[line.index(RECORD_BEGINS) + len(RECORD_BEGINS) : -1]


RECORD_BEGINS = b'"record":'

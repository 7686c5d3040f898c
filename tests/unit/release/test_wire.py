"""The wire format: canonical lines, partitions that spread, times that are cut, manifests that add up."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

import pytest
import xxhash

from publisher.wire import cut_time, digest_of, explicit_hash_key, manifest, partition_of

MOMENT = datetime(2026, 11, 24, 4, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("precision", "cut"),
    [("second", "2026-11-24T04:59:59Z"), ("minute", "2026-11-24T04:59:00Z"), ("hour", "2026-11-24T04:00:00Z")],
)
def test_a_time_is_cut_to_the_contracts_precision(precision: str, cut: str) -> None:
    assert cut_time(MOMENT, precision) == cut  # type: ignore[arg-type]


def test_a_year_has_four_digits() -> None:
    assert cut_time(datetime(987, 6, 5, tzinfo=UTC), "hour") == "0987-06-05T00:00:00Z"


def test_a_digest_is_xxh64_with_sparks_seed() -> None:
    assert digest_of(b"") == 0x98B1582B0977E704 == xxhash.xxh64(b"", seed=42).intdigest()
    assert 0 <= digest_of(b"x" * 1000) < 2**64


def test_partitions_spread_and_map_to_kinesis_hash_keys() -> None:
    used = Counter(partition_of("debts", f"{n:032x}") for n in range(20_000))

    assert set(used) == set(range(256))
    assert max(used.values()) < 2 * min(used.values()) + 20
    assert int(explicit_hash_key(255)) < 2**128
    assert int(explicit_hash_key(1)) == 2**120


def test_a_manifest_is_an_event_like_others() -> None:
    event = manifest(of="debts", seq_from=1, seq_to=9, revision=0, closed_at=MOMENT, events=3, dead_letters=1, digest=2**64 + 5)

    assert event.line == (
        b'{"entity":"_manifest","op":"manifest","key":"debts","seq":9,"committed_at":"2026-11-24T04:59:59Z","contract":"1.1.0",'
        b'"record":{"of":"debts","seq_from":1,"seq_to":9,"revision":0,"closed_at":"2026-11-24T04:59:59Z","events":3,"dead_letters":1,"digest":"5","backfill_due":false,"key_version":1}}'
    )
    assert json.loads(event.line)["record"]["digest"] == "5"
    assert event.partition == partition_of("_manifest", "debts")

"""Proves what is fetched of small objects: the lines of each that is whole and still the version that the ledger knows, and no more than fits."""

from __future__ import annotations

import gzip
import secrets
from dataclasses import dataclass, replace

import pytest

from demo.cloud.ministack import Emulator, client
from lake_assets.bronze.fetched import fetch
from lake_assets.bronze.objects import CORRUPT, EMPTY, GONE, NOT_GZIP, OVERWRITTEN, TRUNCATED
from lake_assets.raw.batches import RawObject
from resources.landing import Landing
from tests.faults.lake_proxy import proxied


@dataclass
class Bucket:
    landing: Landing
    name: str
    cloud: Emulator

    def put(self, key: str, body: bytes) -> RawObject:
        self.cloud.client("s3").put_object(Bucket=self.name, Key=key, Body=body)
        seen = self.landing.head(key)
        assert seen is not None
        return RawObject(key, seen.etag, len(body))


@pytest.fixture(scope="module")
def bucket(cloud: Emulator) -> Bucket:
    name = f"fetched-{secrets.token_hex(5)}"
    cloud.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    return Bucket(Landing(f"s3://{name}", cloud.client("s3")), name, cloud)


def test_lines_come_as_they_are_and_blank_ones_do_not(bucket: Bucket) -> None:
    members = gzip.compress(b"one\n\n \t\r\ntw") + gzip.compress(b"o\r\n\xff\xfe\nlast")
    objects = [bucket.put("lines.gz", members), bucket.put("plain.json", b"plain\x0b\n")]
    fetched = fetch(bucket.landing, objects)
    assert fetched is not None
    assert fetched.bad == []
    assert fetched.lines.to_pydict() == {
        "object": ["lines.gz"] * 4 + ["plain.json"],
        "raw": [b"one", b"two\r", b"\xff\xfe", b"last", b"plain\x0b"],
    }


def test_each_bad_object_has_its_reason_and_takes_no_other_with_it(bucket: Bucket) -> None:
    whole = gzip.compress(secrets.token_bytes(500).hex().encode() + b"\n")
    stale, gone = bucket.put("stale.gz", whole), bucket.put("gone.gz", whole)
    bucket.put("stale.gz", gzip.compress(b"another"))
    bucket.cloud.client("s3").delete_object(Bucket=bucket.name, Key="gone.gz")
    reasons = {
        "truncated.gz": (whole[:-20], TRUNCATED),
        "corrupt.gz": (whole[:100] + bytes([whole[100] ^ 255]) + whole[101:], CORRUPT),
        "trailing.gz": (whole + b"trailing", CORRUPT),
        "no.gz": (b"text", NOT_GZIP),
        "empty.gz": (b"", EMPTY),
        "blank.gz": (gzip.compress(b" \n\r\n"), EMPTY),
        "blank.json": (b"\n", EMPTY),
    }
    objects = [bucket.put(key, body) for key, (body, _) in reasons.items()] + [bucket.put("whole.gz", whole)]
    fetched = fetch(bucket.landing, [stale, gone, replace(gone, key="never.gz", etag=""), *objects])
    assert fetched is not None
    assert {bad.object.key: bad.reason for bad in fetched.bad} == {
        "stale.gz": OVERWRITTEN, "gone.gz": GONE, "never.gz": GONE, **{key: reason for key, (_, reason) in reasons.items()},
    }  # fmt: skip
    assert fetched.lines.column("object").to_pylist() == ["whole.gz"]
    assert all(bad.digest for bad in fetched.bad if bad.reason not in (OVERWRITTEN, GONE))


def test_one_that_an_erasure_emptied_is_not_bad(bucket: Bucket) -> None:
    emptied = replace(bucket.put("emptied.gz", gzip.compress(b"")), rewritten=True)
    fetched = fetch(bucket.landing, [emptied])
    assert fetched is not None
    assert (fetched.bad, fetched.lines.num_rows) == ([], 0)


def test_what_unpacks_to_more_than_fits_is_left_to_spark(bucket: Bucket) -> None:
    bomb, half = bucket.put("bomb.gz", gzip.compress(b"x" * (4 << 20))), bucket.put("half.gz", gzip.compress(b"x" * 700))
    assert bomb.size_bytes < 10_000
    assert fetch(bucket.landing, [bomb], most=1 << 20) is None
    assert fetch(bucket.landing, [half], most=1000) is not None
    assert fetch(bucket.landing, [half, half], most=1000) is None
    many = bucket.put("many.gz", gzip.compress(b"{}\n" * 1000))
    assert fetch(bucket.landing, [many], most=50_000) is None, "each line takes more than its bytes"
    assert fetch(bucket.landing, [replace(half, size_bytes=0)]) is None, "larger than the ledger knows"


def test_an_object_that_breaks_off_amid_its_bytes_is_asked_for_again(bucket: Bucket) -> None:
    landed = bucket.put("large.json", b"x" * (4 << 20) + b"\n")
    with proxied(bucket.cloud.port) as proxy:
        through = Landing(
            f"s3://{bucket.name}", client("s3", {**bucket.cloud.environment(), "AWS_ENDPOINT_URL": proxy.endpoint_url})
        )
        proxy.break_off(after=1 << 20, times=2)
        fetched = fetch(through, [landed])
        assert (through.calls["GET"], proxy.cuts) == (3, 2)
    assert fetched is not None
    assert fetched.lines.column("raw").to_pylist() == [b"x" * (4 << 20)]

"""Proves what each kind of bad input gets, on real objects, notifications and Spark: one batch holds them all.

The good lines beside them load, each bad one is one row without a value, nothing stops the batch, and every value is accounted for.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pyspark.sql import Row
from pyspark.sql import functions as sf

from lake_assets.bronze.conservation import count_batch
from lake_assets.bronze.lines import read_lines
from lake_assets.bronze.load import BronzeResult, load_batch
from lake_assets.raw.batches import FETCHED_BYTES, Batch, RawObject, read_batch
from lake_assets.raw.ledger import LedgerResult, register
from lake_assets.transforms.fields import Rules
from publisher import wire
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import START, event, line, pseudonym, signed

SECRET = "Margaret Hamilton"


def changed(rules: Rules, seq: int, *, entity: str = "debts", **record: Any) -> bytes:
    """An event with other values in its record (or, under `_`, in its envelope)."""
    built = event(rules[entity], seq, seq)
    envelope = record.pop("_", {})
    built["record"] |= record
    return json.dumps(built | envelope, separators=(",", ":")).encode()


def without(rules: Rules, seq: int, name: str) -> bytes:
    built = event(rules["debts"], seq, seq)
    del built["record"][name]
    return json.dumps(built, separators=(",", ":")).encode()


def bad_lines(rules: Rules) -> dict[str, tuple[bytes, str, list[str]]]:
    """What lands, its reason, its fields. Each has a `seq` of its own."""
    twice = line(event(rules["debts"], 212, 212)).replace(b'"status":', b'"status":"open","status":', 1)
    return {
        "not JSON": (f"{SECRET}, 7 Elm Road".encode(), "not JSON", []),
        "5 MB": (b'{"entity":"debts","seq":202,"note":"' + b"x" * (5 << 20) + b'"}', "too large", []),
        "unknown entity": (changed(rules, 203, _={"entity": "people"}), "unknown entity", ["entity"]),
        "unknown field": (changed(rules, 204, account_reference=SECRET), "unknown field", ["account_reference"]),
        "wrong type": (changed(rules, 205, balance_pence="1000"), "wrong type", ["balance_pence"]),
        "out of range": (changed(rules, 206, balance_pence=-1000), "out of range", ["balance_pence"]),
        "missing field": (without(rules, 207, "status"), "missing required field", ["status"]),
        "outside domain": (changed(rules, 208, status=SECRET), "outside domain", ["status"]),
        "unknown version": (changed(rules, 209, _={"contract": "9.0.0"}), "unknown contract version", ["contract"]),
        "invalid UTF-8": (changed(rules, 211, status="open").replace(b'"open"', b'"\xff\xfe"'), "invalid UTF-8", []),
        "duplicated key": (twice, "duplicated key", ["status"]),
    }


@dataclass
class Loaded:
    """The batch, loaded."""

    ledger: LedgerResult
    again: LedgerResult
    result: BronzeResult
    keys: dict[str, str]
    good: dict[str, list[dict[str, Any]]]
    quarantine: list[Row]
    bronze: list[Row]
    objects: list[Row]


@pytest.fixture(scope="module")
def loaded(lake: Lake, rules: Rules) -> Loaded:
    good = {
        "mixed": [event(rules["debts"], n, n) for n in range(1, 21)],
        "joined": [event(rules["creditors"], n, 100 + n) for n in range(1, 4)],
        "respelled": [event(rules["customers"], n, 120 + n) for n in range(1, 4)],
        "repeated": [event(rules["customers"], n, 130 + n) for n in range(1, 4)],
    }
    lines = [*(line(each) for each in good["mixed"]), *(raw for raw, _, _ in bad_lines(rules).values())]
    random.Random(1).shuffle(lines)
    whole = gzip.compress(b"\n".join(map(line, good["mixed"])) + b"\n")
    manifest = wire.manifest(
        of="debts", seq_from=0, seq_to=50, revision=0, closed_at=START, events=20, dead_letters=0, digest=2**64 - 1
    )
    keys = {
        "mixed": lake.land("mixed.gz", [*lines, b"", b"  \r", manifest.line]),
        "joined": lake.land("joined.gz", [b"".join(map(line, good["joined"]))]),
        "respelled": lake.put("respelled.json", json.dumps(good["respelled"][0], indent=1).replace("\n", " ").encode() + b"\r\n"
                              + b" ".join(json.dumps(each).encode() for each in good["respelled"][1:])),
        "repeated": lake.land("repeated.gz", list(map(line, good["repeated"]))),
        "truncated gzip": lake.put("truncated.gz", whole[:-20]),
        "corrupt gzip": lake.put("corrupt.gz", whole[:100] + bytes([whole[100] ^ 255]) + whole[101:]),
        "not gzip": lake.put("plain.gz", line(good["mixed"][0]) + b"\n"),
        "empty object": lake.put("nothing.gz", b""),
        "gzip of nothing": lake.land("blank.gz", [b"", b" "]),
        "object gone": lake.land("gone.gz", list(map(line, good["mixed"]))),
        "object overwritten": lake.land("over.gz", [line(good["repeated"][0])]),
        "unreadable object name": lake.land("_hidden.gz", [line(good["repeated"][0])]),
    }  # fmt: skip
    lake.s3.delete_object(Bucket=lake.landing.bucket, Key=keys["object gone"])
    ledger = register(lake.tables, lake.landing, lake.notifications)
    lake.land("over.gz", [line(good["repeated"][1])])
    # The same notifications once more: S3 delivers each at least once.
    lake.s3.copy_object(
        Bucket=lake.landing.bucket,
        Key=keys["repeated"],
        CopySource=f"{lake.landing.bucket}/{keys['repeated']}",
        MetadataDirective="REPLACE",
    )
    again = register(lake.tables, lake.landing, lake.notifications)
    result = load_batch(lake.tables, lake.landing, rules, read_batch(lake.tables, ledger.batches[0]))
    return Loaded(
        ledger,
        again,
        result,
        keys,
        good,
        lake.tables.read("ops", "quarantine").collect(),
        [row for entity in ("debts", "creditors", "customers") for row in lake.tables.read("bronze", entity).collect()],
        lake.tables.read("ops", "objects").collect(),
    )


@pytest.mark.parametrize("kind", [
    "not JSON", "5 MB", "unknown entity", "unknown field", "wrong type", "out of range", "missing field", "outside domain",
    "unknown version", "invalid UTF-8", "duplicated key",
])  # fmt: skip
def test_a_bad_line_is_one_row_with_object_digest_reason_and_fields(kind: str, loaded: Loaded, rules: Rules) -> None:
    raw, reason, fields = bad_lines(rules)[kind]
    (row,) = [row for row in loaded.quarantine if row.digest == hashlib.sha256(raw).hexdigest()]
    assert (row.object, row.reason, row.fields, row.length) == (loaded.keys["mixed"], reason, fields, len(raw))
    assert row._batch == loaded.result.batch


@pytest.mark.parametrize("kind", [
    "truncated gzip", "corrupt gzip", "not gzip", "empty object", "object gone", "object overwritten", "unreadable object name",
])  # fmt: skip
def test_a_bad_object_is_one_row_and_none_of_its_lines_load(kind: str, loaded: Loaded) -> None:
    (row,) = [row for row in loaded.quarantine if row.object == loaded.keys[kind]]
    assert (row.reason, row.entity, row.seq, row.fields) == (kind, None, None, [])
    assert not [row for row in loaded.bronze if row._object == loaded.keys[kind]]


def test_a_gzip_of_nothing_is_an_empty_object(loaded: Loaded) -> None:
    (row,) = [row for row in loaded.quarantine if row.object == loaded.keys["gzip of nothing"]]
    assert row.reason == "empty object"


def test_the_good_lines_of_the_same_object_load_typed(loaded: Loaded) -> None:
    found = {row._seq: row for row in loaded.bronze if row._object == loaded.keys["mixed"]}
    assert sorted(found) == [each["seq"] for each in loaded.good["mixed"]]
    for each in loaded.good["mixed"]:
        row = found[each["seq"]]
        assert {
            name: str(value) if name.endswith("_on") and value else value
            for name, value in row.asDict().items()
            if name[0] != "_"
        } == each["record"]
        assert (row._key, row._op, row._subject, row._contract) == (each["key"], "insert", each["subject"], each["contract"])
        assert row._digest == signed(wire.digest_of(line(each)))


def test_several_json_values_on_one_line_load_one_by_one(loaded: Loaded) -> None:
    found = {row._seq: row._digest for row in loaded.bronze if row._object == loaded.keys["joined"]}
    assert found == {each["seq"]: signed(wire.digest_of(line(each))) for each in loaded.good["joined"]}


def test_valid_json_written_differently_loads_as_the_publisher_would_have_written_it(loaded: Loaded) -> None:
    found = {row._seq: row._digest for row in loaded.bronze if row._object == loaded.keys["respelled"]}
    assert found == {each["seq"]: signed(wire.digest_of(line(each))) for each in loaded.good["respelled"]}


def test_the_same_notification_twice_is_one_row_of_the_ledger(loaded: Loaded) -> None:
    assert len([row for row in loaded.objects if row.object == loaded.keys["repeated"]]) == 1
    assert (loaded.again.new, loaded.again.known) == (1, 1)  # the overwritten object is another one
    assert len([row for row in loaded.bronze if row._object == loaded.keys["repeated"]]) == 3


def test_a_notification_for_an_object_that_is_gone_is_in_the_ledger_too(loaded: Loaded) -> None:
    (row,) = [row for row in loaded.objects if row.object == loaded.keys["object gone"]]
    assert (row.found_by, row._batch) == ("event", loaded.result.batch)


def test_no_row_of_the_quarantine_holds_a_value(loaded: Loaded) -> None:
    assert not [row for row in loaded.quarantine if "Margaret" in str(row) or pseudonym(1) in str(row)]


def test_every_value_is_accounted_for(loaded: Loaded) -> None:
    kept, good = loaded.result.conservation, loaded.good
    assert kept.holds
    assert loaded.result.counts.conserved
    assert kept.bronze == {"debts": 20, "creditors": 3, "customers": 6}
    assert kept.told == 1
    assert kept.quarantined == 11 + 8 == len(loaded.quarantine)
    assert kept.read == sum(map(len, good.values())) + 1 + kept.quarantined


@pytest.mark.parametrize("fetched_bytes", [FETCHED_BYTES, 0], ids=["by the run", "by Spark"])
def test_loading_the_batch_again_changes_nothing_whoever_reads_it(
    loaded: Loaded, lake: Lake, rules: Rules, fetched_bytes: int
) -> None:
    batch = read_batch(lake.tables, loaded.result.batch)
    again = load_batch(lake.tables, lake.landing, rules, batch, fetched_bytes=fetched_bytes)
    assert (again.conservation, again.refused) == (loaded.result.conservation, loaded.result.refused)


def test_the_run_and_spark_read_the_same_of_each_object(loaded: Loaded, lake: Lake, rules: Rules) -> None:
    good = line(event(rules["debts"], 500, 500))
    sure = [
        lake.put("marked.json", b"\xef\xbb\xbf" + good + b"\n\xef\xbb\xbf" + good),
        lake.land("marked.gz", [b"\xef\xbb\xbf" + good, good + b"\r", b"", good]),
        lake.put("only-a-mark.json", b"\xef\xbb\xbf"),
        lake.put("members.gz", gzip.compress(good[:40]) + gzip.compress(good[40:] + b"\n") + gzip.compress(b" \t\n" + good)),
        lake.put("odd.json", b"\x0b\n\x00\n\xff\xfe\n{}\n"),
    ]
    seen = [lake.landing.head(key) for key in sure]
    objects = [RawObject(each.key, each.etag, each.size) for each in seen if each is not None]
    batch = replace(read_batch(lake.tables, loaded.result.batch), number=91)
    batch = replace(batch, objects=(*batch.objects, *objects))

    def read(fetched_bytes: int) -> tuple[Counter[Row], object]:
        with read_lines(lake.tables, lake.landing, rules, batch, fetched_bytes) as lines:
            rows = lines.frame.withColumn("line", sf.hex(sf.col("line").cast("binary"))).collect()
            bad = {(each.object.key, each.reason) for each in lines.bad}
            return Counter(rows), (bad, lines.accepted, lines.spans, lines.unclear_bytes)

    by_the_run, by_spark = read(FETCHED_BYTES), read(0)
    assert by_the_run == by_spark
    assert [row.object for row in by_the_run[0].elements()].count(sure[3]) == 2
    assert len(objects) == len(sure)
    assert (sure[2], "empty object") in by_the_run[1][0]  # type: ignore[index]


@pytest.mark.parametrize("fetched_bytes", [FETCHED_BYTES, 0], ids=["by the run", "by Spark"])
def test_a_batch_of_which_nothing_is_left_is_quarantined_and_stops_nothing(lake: Lake, rules: Rules, fetched_bytes: int) -> None:
    number = 92 + (fetched_bytes > 0)
    broken = lake.put(f"broken-{number}.gz", b"no gzip")
    gone = RawObject(f"raw/2026/11/24/04/gone-{number}.gz", "0" * 32, 10)
    batch = Batch(number, (RawObject(broken, lake.landing.etag(broken) or "", 7), gone))
    result = load_batch(lake.tables, lake.landing, rules, batch, fetched_bytes=fetched_bytes)
    assert (result.read, result.refused, result.conservation.holds) == (2, {"not gzip": 1, "object gone": 1}, True)
    emptied = lake.land(f"emptied-{number}.gz", [])
    batch = Batch(number + 10, (RawObject(emptied, lake.landing.etag(emptied) or "", 100, rewritten=True),))
    result = load_batch(lake.tables, lake.landing, rules, batch, fetched_bytes=fetched_bytes)
    assert (result.read, result.bad_objects, result.conservation.holds) == (0, 0, True)


def test_sparks_workers_judge_the_same_and_odd_names_are_read(lake: Lake, rules: Rules) -> None:
    """The validator goes to them by value: a cluster's workers have no lake_assets."""
    events = [event(rules["customers"], n, 300 + n) for n in range(3)]
    refused = changed(rules, 400, entity="customers", status=SECRET)
    body = b"\n".join([b" ".join(json.dumps(each).encode() for each in events), refused, line(event(rules["customers"], 9, 309))])
    key = lake.put("odd +%41 é=#,&.json", body)
    batch = Batch(90, (RawObject(key, lake.landing.etag(key) or "", len(body)),))
    result = load_batch(lake.tables, lake.landing, rules, batch, fetched_bytes=0, few_bytes=0)
    assert (result.events, result.refused, result.conservation.holds) == ({"customers": 4}, {"outside domain": 1}, True)
    rows = lake.tables.read("bronze", "customers").where("_batch = 90").collect()
    assert {row._object for row in rows} == {key}
    assert {row._digest for row in rows} >= {signed(wire.digest_of(line(each))) for each in events}


def test_a_row_that_is_removed_breaks_conservation(loaded: Loaded, lake: Lake, rules: Rules) -> None:
    lake.tables.spark.sql(f"DELETE FROM {lake.tables.sql_name('bronze', 'creditors')} WHERE _seq = 101").collect()
    counted = count_batch(lake.tables, loaded.result.batch, loaded.result.read, ["debts", "creditors", "customers"])
    assert not counted.holds
    assert counted.held == counted.read - 1

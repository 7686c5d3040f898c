"""The release engine builds an event from the contract, and from nothing else."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
import xxhash

from publisher.contracts import Contract
from publisher.erasure.remembered import Erased, digest_of
from publisher.errors import Unreleasable
from publisher.release import Release
from tests.unit.release.rows import COMMITTED_AT, PSEUDONYM_KEY, SEQ, AsItIs, change, keyring, rows, sealed

ENTITIES = sorted(rows())
EXPECTED: dict[str, dict[str, Any]] = {
    "customers": {
        "status": "active", "preferred_channel": "sms", "marketing_consent": False, "has_email": True, "has_phone": False,
        "has_address": False, "birth_band": "1980-1989", "postcode_area": "SW", "joined_on": "2026-11-01",
    },
    "creditors": {"code": "C001", "sector": "bank", "since": "2026-02-01"},
    "debts": {
        "customer_id": ("customer", 7), "creditor_id": ("creditor", 3), "product": "loan", "principal_band": "1000-5000",
        "balance_pence": 12_000, "status": "open", "placed_on": "2026-01-02", "closed_on": None,
    },
    "plans": {
        "debt_id": ("debt", 11), "status": "active", "frequency": "monthly", "instalment_pence": 2_600, "instalments": 12,
        "income_band": "1000-1500", "has_notes": False, "started_on": "2026-02-01", "ended_on": None,
    },
    "payments": {
        "plan_id": ("plan", 13), "amount_pence": 2_500, "method": "card", "status": "failed", "failure_reason": "card_declined",
        "due_on": "2026-03-01", "paid_on": None,
    },
    "messages": {
        "customer_id": ("customer", 7), "direction": "inbound", "channel": "email", "template": None, "length_band": "0-79",
        "in_reply_to": None, "status": None, "sent_on": "2026-11-24",
    },
    "circumstances": {
        "customer_id": ("customer", 7), "kind": "bereavement", "severity": "low", "has_note": True, "recorded_on": "2026-03-01", "lifted_on": None,
    },
}  # fmt: skip
NAMESPACES = {
    "customers": "customer",
    "creditors": "creditor",
    "debts": "debt",
    "plans": "plan",
    "payments": "payment",
    "messages": "message",
    "circumstances": "circumstance",
}


def pseudonym(namespace: str, value: object) -> str:
    """Computed here a second time, from the definition: HMAC-SHA-256 of `namespace:value`, its first 16 bytes in hex."""
    return hmac.new(PSEUDONYM_KEY, f"{namespace}:{value}".encode(), hashlib.sha256).hexdigest()[:32]


def expected_line(entity: str, op: str = "update", *, record: bool = True) -> bytes:
    key = pseudonym(NAMESPACES[entity], rows()[entity]["id"])
    event: dict[str, Any] = {"entity": entity, "op": op, "key": key, "seq": SEQ}
    if entity != "creditors":
        event["subject"] = pseudonym("customer", 7)
    hidden = entity == "circumstances"
    at = "2026-11-24T04:00:00Z" if hidden else "2026-11-24T04:05:00Z"
    if (entity, op) == ("customers", "insert"):
        at = "2026-11-01T00:00:00Z"  # no finer than joined_on, of one k-group with it
    event |= {"committed_at": at, "contract": "1.1.0" if hidden or entity == "customers" else "1.0.0"}
    if record:
        values = {name: pseudonym(*value) if isinstance(value, tuple) else value for name, value in EXPECTED[entity].items()}
        event["record"] = {"id": key, **values}
    return json.dumps(event, separators=(",", ":")).encode("ascii")


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("op", ["insert", "update", "snapshot"])
def test_the_line_is_byte_for_byte_what_the_contract_says(release: Release, entity: str, op: str) -> None:
    assert release.event(change(entity, op)).line == expected_line(entity, op)


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("op", ["delete", "erase"])
def test_a_delete_carries_no_record_even_when_a_row_was_captured(release: Release, entity: str, op: str) -> None:
    assert release.event(change(entity, op)).line == expected_line(entity, op, record=False)
    assert release.event(change(entity, op, key=str(rows()[entity]["id"]), row={})).line == expected_line(
        entity, op, record=False
    )


@pytest.mark.parametrize("entity", ENTITIES)
def test_columns_that_no_field_reads_never_leave(release: Release, contracts: dict[str, Contract], entity: str) -> None:
    row = rows()[entity]
    extra = {"passport": "canary-4711", "withheld_by_nobody": {"deep": "canary-4711"}}
    withheld = dict.fromkeys(contracts[entity].withheld, "canary-4711")

    assert release.event(change(entity, row=row | extra | withheld)).line == expected_line(entity)


@pytest.mark.parametrize("entity", ENTITIES)
def test_fields_leave_in_the_contracts_order_whatever_the_rows(
    release: Release, contracts: dict[str, Contract], entity: str
) -> None:
    backwards = dict(reversed(rows()[entity].items()))
    event = json.loads(release.event(change(entity, row=backwards)).line)

    assert list(event["record"]) == [field.name for field in contracts[entity].fields]
    assert [key for key in event if key != "subject"] == ["entity", "op", "key", "seq", "committed_at", "contract", "record"]


@pytest.mark.parametrize("entity", ENTITIES)
def test_key_digest_and_partition_follow_from_the_line(release: Release, entity: str) -> None:
    event = release.event(change(entity))
    line = json.loads(event.line)

    assert event.key == line["key"] == line["record"]["id"]
    assert event.digest == xxhash.xxh64(event.line, seed=42).intdigest()
    assert event.partition == int(hashlib.sha256(f"{entity}:{event.key}".encode()).hexdigest()[:2], 16)
    assert (event.entity, event.op, event.seq) == (entity, "update", SEQ)
    assert b"\n" not in event.line


def test_the_same_row_gives_the_same_bytes_under_a_new_release(contracts: dict[str, Contract]) -> None:
    lines = {Release(contracts, keyring(), AsItIs()).event(change("customers")).line for _ in range(3)}

    assert lines == {expected_line("customers")}


def test_foreign_keys_join(release: Release) -> None:
    customer = json.loads(release.event(change("customers")).line)
    debt = json.loads(release.event(change("debts")).line)
    message = json.loads(release.event(change("messages", row=rows()["messages"] | {"in_reply_to": 19})).line)

    assert debt["record"]["customer_id"] == customer["key"] == customer["subject"] == debt["subject"]
    assert message["record"]["in_reply_to"] == message["key"]
    assert len({customer["key"], pseudonym("debt", 7), pseudonym("creditor", 7)}) == 3, (
        "the same id in another namespace is another code"
    )


@pytest.mark.parametrize("entity", ENTITIES)
def test_values_as_psycopg_gives_them_release_the_same(release: Release, contracts: dict[str, Contract], entity: str) -> None:
    from datetime import date, datetime

    row = rows()[entity]
    for name, column in contracts[entity].columns.items():
        if row[name] is None:
            continue
        if column.encrypted:
            row[name] = memoryview(bytes.fromhex(row[name][2:]))
        elif column.type == "timestamp":
            row[name] = datetime.fromisoformat(row[name])
        elif column.type == "date":
            row[name] = date.fromisoformat(row[name])

    assert release.event(change(entity, row=row)).line == expected_line(entity)


def test_an_absent_value_is_null_or_no(release: Release) -> None:
    row = rows()["plans"] | {"monthly_income": None, "notes": None, "started_on": None}
    record = json.loads(release.event(change("plans", row=row)).line)["record"]

    assert (record["income_band"], record["has_notes"], record["started_on"]) == (None, False, None)


def test_the_time_is_cut_never_rounded_up(release: Release) -> None:
    from datetime import timedelta, timezone

    here = COMMITTED_AT.astimezone(timezone(timedelta(hours=9, minutes=30)))

    assert b'"committed_at":"2026-11-24T04:05:00Z"' in release.event(change("debts", committed_at=here)).line


def test_a_person_that_is_not_found_is_null_on_a_delete_only(release: Release) -> None:
    assert b'"subject":null' in release.event(change("payments", "delete", subject=None)).line
    with pytest.raises(Unreleasable, match="no person was found") as caught:
        release.event(change("payments", "update", subject=None))
    assert caught.value.fields == ("subject",)


def test_a_person_may_be_missing_where_a_column_on_the_way_may_be_null(contracts: dict[str, Contract]) -> None:
    from dataclasses import replace

    messages = contracts["messages"]
    optional = messages.columns | {"customer_id": replace(messages.columns["customer_id"], required=False)}
    fields = tuple(replace(field, required=field.required and field.name != "customer_id") for field in messages.fields)
    release = Release(contracts | {"messages": replace(messages, columns=optional, fields=fields)}, keyring())

    event = release.event(change("messages", row=rows()["messages"] | {"customer_id": None}, subject=None))

    assert json.loads(event.line)["subject"] is None


def test_an_entity_without_a_person_has_no_subject(release: Release) -> None:
    assert b"subject" not in release.event(change("creditors", subject="7")).line


@pytest.mark.parametrize(
    ("entity", "op"), [("unknown", "update"), ("_manifest", "manifest"), ("customers", "truncate"), ("customers", "manifest")]
)
def test_an_unknown_entity_or_operation_does_not_leave(release: Release, entity: str, op: str) -> None:
    with pytest.raises(Unreleasable, match="no contract names this entity, or the operation is unknown"):
        release.event(change(entity, op, row=rows()["customers"], subject="7"))


def test_a_row_under_another_key_does_not_leave(release: Release) -> None:
    with pytest.raises(Unreleasable, match="not the key under which it was captured") as caught:
        release.event(change("customers", key="8"))
    assert caught.value.fields == ("id",)


def test_an_encrypted_boolean_is_read_from_its_words(contracts: dict[str, Contract]) -> None:
    from publisher.contracts.model import SourceColumn
    from publisher.values import reader

    read = reader(SourceColumn("c", "boolean", "bytea", True, True, "restricted", False, False, ""), keyring().decrypt)

    assert (read(sealed("true")), read(sealed("false"))) == (True, False)


def test_a_row_that_was_captured_before_its_entity_was_renamed_leaves_under_the_new_name(contracts: dict[str, Contract]) -> None:
    clients = replace(contracts["creditors"], entity="clients", version="2.0.0", renamed_from="creditors")
    renamed = Release({"clients": clients}, keyring())
    before = json.loads(Release(contracts, keyring()).event(change("creditors")).line)
    for op in ("update", "delete"):
        event = renamed.event(change("creditors", op=op))
        told = json.loads(event.line)
        assert (event.entity, told["entity"], told["contract"], told["key"]) == ("clients", "clients", "2.0.0", before["key"])


def test_what_an_erased_person_left_under_a_former_name_of_the_entity_stays(contracts: dict[str, Contract]) -> None:
    debts = replace(contracts["debts"], entity="accounts", renamed_from="debts")
    erased = Erased({"accounts": debts}, keyring(), frozenset([digest_of(keyring(), "customer", "7")]))
    assert [erased.is_of(name, "7") for name in ("accounts", "debts", "plans")] == [True, True, False]
    assert not erased.is_of("debts", "8")

"""A row written by the application arrives in a sink, with nothing but what its contract lets out."""

from __future__ import annotations

import json
from collections.abc import Callable

from publisher.relay import Summary, Until
from publisher.sinks import MemorySink
from tests.integration.publisher.platform import Platform


def test_rows_of_a_transaction_arrive_with_their_manifests(
    platform: Platform, run_relay: Callable[..., Summary], sink: MemorySink
) -> None:
    with platform.connection.transaction():
        customer = platform.customer()
        debt = platform.debt(customer, platform.creditor())
        plan = platform.plan(debt)
    platform.sql("UPDATE plans SET status = 'broken' WHERE id = %s", plan)
    run_relay(sink, Until.ACCOUNTED)
    events = [json.loads(line) for line in sink.lines]
    upserts = {(e["entity"], e["op"]): e for e in events if e["entity"] != "_manifest"}
    assert set(upserts) == {
        ("customers", "insert"), ("creditors", "insert"), ("debts", "insert"), ("plans", "insert"), ("plans", "update"),
    }  # fmt: skip
    subjects = {upserts[e, "insert"].get("subject") for e in ("customers", "debts", "plans")}
    assert len(subjects) == 1
    assert upserts["customers", "insert"]["record"]["status"] == "active"
    assert b"Ada" not in b"".join(sink.lines)
    assert len([e for e in events if e["entity"] == "_manifest"]) == 7

"""Proves what the reference validator accepts, and that each refusal names its reason and never a value."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake_assets.transforms import validate as v
from lake_assets.transforms.canonical import line_pattern
from lake_assets.transforms.fields import Rules
from lake_assets.transforms.rules import TOLD
from lake_assets.transforms.validate import Accepted, Rejected, judge_line
from publisher import wire
from tests.unit.lake.make_events import START, event, line

SECRET = "Margaret Hamilton, 7 Elm Road"


def judge(raw: bytes, rules: Rules) -> list[Accepted | Rejected]:
    return list(judge_line(raw, rules))


def refusal(raw: bytes, rules: Rules) -> tuple[str, tuple[str, ...]]:
    (outcome,) = judge(raw, rules)
    assert isinstance(outcome, Rejected)
    assert outcome.digest == hashlib.sha256(raw).hexdigest()
    assert outcome.length == len(raw)
    return outcome.reason, outcome.fields


def test_every_operation_of_every_entity_comes_through_as_the_publisher_wrote_it(rules: Rules) -> None:
    for rule in rules.values():
        for seq, op in enumerate((*rule.writes, *rule.deletes), start=1):
            if rule.entity in TOLD:
                continue
            for key in range(7):
                raw = line(event(rule, key, seq, op=op))
                assert judge(raw, rules) == [Accepted(rule.entity, raw.decode())]


def test_a_valid_event_written_differently_becomes_the_publishers_line(rules: Rules) -> None:
    built = event(rules["debts"], 1, 1)
    shuffled = {name: built[name] for name in reversed(built)}
    shuffled["record"] = {name: built["record"][name] for name in reversed(built["record"])}
    assert judge(json.dumps(shuffled, indent=1).encode(), rules) == [Accepted("debts", line(built).decode())]


def test_an_optional_field_that_is_absent_is_null(rules: Rules) -> None:
    built = event(rules["debts"], 0, 5)
    built["record"]["closed_on"] = None
    short = built | {"record": {k: x for k, x in built["record"].items() if k != "closed_on"}}
    assert judge(line(short), rules) == [Accepted("debts", line(built).decode())]


def test_several_values_on_a_line_are_judged_one_by_one(rules: Rules) -> None:
    first, second = (line(event(rules["debts"], key, key)) for key in (1, 2))
    outcomes = judge(first + b" [1]" + second + b'{"entity":', rules)
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [None, v.NOT_AN_OBJECT, None, v.NOT_JSON]


def test_a_manifest_of_before_keys_had_versions_is_accepted(rules: Rules) -> None:
    made = wire.manifest(of="debts", seq_from=1, seq_to=9, revision=0, closed_at=START, events=3, dead_letters=0, digest=5).line
    former = made.replace(b'"contract":"1.1.0"', b'"contract":"1.0.0"').replace(b',"key_version":1', b"")
    (accepted,) = judge(former, rules)
    assert isinstance(accepted, Accepted)
    assert accepted.line.endswith('"backfill_due":false,"key_version":null}}')


def test_blank_lines_hold_no_value(rules: Rules) -> None:
    assert judge(b"", rules) == judge(b" \t\r", rules) == []


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (SECRET.encode(), v.NOT_JSON),
        (b'{"entity":"debts","seq":NaN}', v.NOT_JSON),
        (b"[" * 100_000, v.TOO_DEEP),
        (b"17", v.NOT_AN_OBJECT),
        (b'"' + b"x" * (5 << 20) + b'"', v.TOO_LARGE),
        (b'{"entity":"debts\xff"}', v.INVALID_UTF8),
        (b'{"seq":' + b"9" * 5000 + b"}", v.MISSING_FIELD),
    ],
    ids=["text", "nan", "deep", "number", "5 MB", "utf-8", "5000 digits"],
)
def test_what_is_no_event(raw: bytes, reason: str, rules: Rules) -> None:
    assert refusal(raw, rules)[0] == reason


def broken(rules: Rules, change: Any, *, entity: str = "debts", op: str = "insert") -> tuple[str, tuple[str, ...]]:
    built = event(rules[entity], 1, 1, op=op)
    change(built)
    return refusal(json.dumps(built, separators=(",", ":")).encode(), rules)


def put(path: str, value: Any) -> Any:
    def change(built: dict[str, Any]) -> None:
        *parents, name = path.split(".")
        for parent in parents:
            built = built[parent]
        built[name] = value

    return change


def drop(path: str) -> Any:
    def change(built: dict[str, Any]) -> None:
        *parents, name = path.split(".")
        for parent in parents:
            built = built[parent]
        del built[name]

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("entity", "people"), (v.UNKNOWN_ENTITY, ("entity",))),
        (put("entity", 7), (v.WRONG_TYPE, ("entity",))),
        (put("op", "upsert"), (v.UNKNOWN_OP, ("op",))),
        (put("contract", "9.9.9"), (v.UNKNOWN_VERSION, ("contract",))),
        (drop("contract"), (v.MISSING_FIELD, ("contract",))),
        (put("email", SECRET), (v.UNKNOWN_FIELD, ("email",))),
        (put("record.account_reference", SECRET), (v.UNKNOWN_FIELD, ("account_reference",))),
        (put("record." + SECRET.replace(".", ""), 1), (v.UNKNOWN_FIELD, ("?",))),
        (drop("record.status"), (v.MISSING_FIELD, ("status",))),
        (put("record.status", None), (v.MISSING_FIELD, ("status",))),
        (drop("record"), (v.MISSING_FIELD, ("record",))),
        (put("record", [1]), (v.WRONG_TYPE, ("record",))),
        (put("record.balance_pence", "1000"), (v.WRONG_TYPE, ("balance_pence",))),
        (put("record.balance_pence", 1000.0), (v.WRONG_TYPE, ("balance_pence",))),
        (put("record.balance_pence", True), (v.WRONG_TYPE, ("balance_pence",))),
        (put("record.balance_pence", -1000), (v.OUT_OF_RANGE, ("balance_pence",))),
        (put("record.balance_pence", 10**25), (v.OUT_OF_RANGE, ("balance_pence",))),
        (put("record.balance_pence", 1234), (v.OUTSIDE_DOMAIN, ("balance_pence",))),
        (put("record.status", SECRET), (v.OUTSIDE_DOMAIN, ("status",))),
        (put("record.placed_on", "2026-02-30"), (v.OUTSIDE_DOMAIN, ("placed_on",))),
        (put("record.placed_on", "20260201"), (v.OUTSIDE_DOMAIN, ("placed_on",))),
        (put("record.customer_id", "\ud800"), (v.OUTSIDE_DOMAIN, ("customer_id",))),
        (put("key", "5feceb66ffc86f38d952786c6d696c79"), (v.DISAGREES, ("key", "id"))),
        (put("seq", 0), (v.OUT_OF_RANGE, ("seq",))),
        (put("subject", None), (v.MISSING_FIELD, ("subject",))),
        (put("committed_at", "2026-11-24T04:05:17Z"), (v.OUTSIDE_DOMAIN, ("committed_at",))),
    ],
    ids=lambda value: str(value) if isinstance(value, tuple) else "",
)
def test_each_refusal_names_its_reason_and_its_fields(change: Any, expected: tuple[str, tuple[str, ...]], rules: Rules) -> None:
    assert broken(rules, change) == expected


def test_a_delete_has_no_record_and_may_have_lost_its_person(rules: Rules) -> None:
    assert broken(rules, put("record", {}), op="delete") == (v.UNKNOWN_FIELD, ("record",))
    orphan = event(rules["debts"], 1, 1, op="delete") | {"subject": None}
    assert judge(line(orphan), rules) == [Accepted("debts", line(orphan).decode())]


def test_an_erasure_is_accepted_as_the_publisher_writes_it(rules: Rules) -> None:
    person = "5feceb66ffc86f38d952786c6d696c79"
    erased = wire.encode(
        entity="debts", op="erase", key=person, seq=7, committed_at="2026-11-24T04:05:00Z", contract=rules["debts"].versions[0],
        subject=person, has_subject=True, record=None,
    )  # fmt: skip
    assert judge(erased.line, rules) == [Accepted("debts", erased.line.decode())]
    assert re.search(line_pattern(rules["debts"]).replace(r"\z", r"\Z"), erased.line.decode()), "in Spark as in Python"


def test_a_repeated_key_is_found_at_any_depth(rules: Rules) -> None:
    raw = line(event(rules["debts"], 1, 1))
    assert refusal(raw.replace(b'"seq":1', b'"seq":1,"seq":1'), rules) == (v.DUPLICATED_KEY, ("seq",))
    assert refusal(raw.replace(b'"record":{', b'"record":{"status":"open",'), rules) == (v.DUPLICATED_KEY, ("status",))


def test_a_refusal_holds_no_value(rules: Rules) -> None:
    built = event(rules["customers"], 1, 1)
    built["record"]["status"] = SECRET
    built[SECRET] = SECRET
    for raw in (json.dumps(built).encode(), SECRET.encode(), json.dumps({"entity": SECRET}).encode()):
        for outcome in judge(raw, rules):
            assert "Margaret" not in repr(outcome)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_the_fast_paths_expression_fixes_all_but_the_domains(data: st.DataObject, rules: Rules) -> None:
    """Whatever one byte-level change does to a line: what the expression lets in has the form the validator wants."""
    rule = data.draw(st.sampled_from([rule for name, rule in rules.items() if name not in TOLD]))
    raw = line(event(rule, data.draw(st.integers(0, 50)), 1, op=data.draw(st.sampled_from((*rule.writes, *rule.deletes)))))
    at = data.draw(st.integers(0, len(raw)))
    changed = (
        raw[:at]
        + data.draw(st.sampled_from([b"", b'"', b",", b" ", b"0", b"\\", b"null", b"\xff"]))
        + raw[at + data.draw(st.integers(0, 2)) :]
    )
    text = changed.decode("utf-8", "replace")
    if re.search(line_pattern(rule).replace(r"\z", r"\Z"), text):
        for outcome in judge(changed, rules):
            assert isinstance(outcome, Accepted) or outcome.reason in (v.OUT_OF_RANGE, v.OUTSIDE_DOMAIN)

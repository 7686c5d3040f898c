"""Each event is judged by the rules of the version that it names, as fast as it was when there was one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from lake_assets.transforms import validate as v
from lake_assets.transforms.canonical import line_pattern
from lake_assets.transforms.fields import Rules, rule_named
from lake_assets.transforms.rules import former_versions, rules_of
from lake_assets.transforms.validate import Accepted, Rejected, judge_line
from publisher import wire
from publisher.contracts import Contract, load_contracts
from tests.unit.lake.make_events import event, line


@pytest.fixture(scope="module")
def debts() -> Contract:
    return load_contracts(Path("contracts"))["debts"]


def judge(raw: bytes, rules: Rules) -> Accepted | Rejected:
    (outcome,) = judge_line(raw, rules)
    return outcome


def test_versions_that_look_the_same_share_a_rule_and_others_have_their_own(debts: Contract) -> None:
    fewer = replace(debts, version="2.0.0", fields=debts.fields[:-1])
    released = [debts, replace(debts, version="1.1.0"), replace(fewer, version="1.9.0"), fewer, replace(debts, version="10.0.0")]
    rule = rules_of({"debts": fewer}, released)["debts"]
    assert rule.versions == ("1.9.0", "2.0.0"), "the one in force last"
    assert [form.versions for form in rule.former] == [("1.0.0", "1.1.0")]
    old = rules_of({"debts": debts})["debts"]
    raw = line(event(old, 1, 1))
    assert judge(raw, {"debts": rule}) == Accepted("debts", raw.decode()), "as it was written: its digest is its manifest's"
    for pattern, matches in ((line_pattern(rule), False), (line_pattern(rule.former[0]), True)):
        assert bool(re.search(pattern.replace(r"\z", r"\Z"), raw.decode())) == matches
    unknown = raw.replace(b'"contract":"1.0.0"', b'"contract":"10.0.0"')
    refused = judge(unknown, {"debts": rule})
    assert isinstance(refused, Rejected)
    assert (refused.reason, refused.fields) == (v.UNKNOWN_VERSION, ("contract",)), (
        "a version after the one in force is not known yet"
    )


def test_codes_of_another_pseudonym_key_are_not_taken_for_the_same_rows(debts: Contract) -> None:
    rekeyed = replace(debts, version="2.0.0", key_version=2)
    assert former_versions(rekeyed, [debts, replace(rekeyed, version="1.5.0")]) == [replace(rekeyed, version="1.5.0")]
    refused = judge(line(event(rules_of({"debts": debts})["debts"], 1, 1)), rules_of({"debts": rekeyed}, [debts, rekeyed]))
    assert isinstance(refused, Rejected)
    assert refused.reason == v.UNKNOWN_VERSION


def test_what_comes_under_a_former_name_is_the_entitys_and_only_in_the_versions_that_it_had_then(debts: Contract) -> None:
    accounts = replace(debts, entity="accounts", version="2.0.0", renamed_from="debts")
    rules = rules_of({"accounts": accounts}, [debts, accounts])
    old = line(event(rules_of({"debts": debts})["debts"], 1, 1))
    assert judge(old, rules) == Accepted("accounts", old.decode())
    loose = json.dumps(json.loads(old)).encode()
    assert judge(loose, rules) == Accepted("accounts", old.decode()), "respelled, it is the line that the publisher wrote"
    new = line(event(rules["accounts"], 1, 2))
    assert judge(new, rules) == Accepted("accounts", new.decode())
    for crossed in (old.replace(b'"debts"', b'"accounts"'), new.replace(b'"accounts"', b'"debts"')):
        refused = judge(crossed, rules)
        assert isinstance(refused, Rejected)
        assert (refused.reason, refused.fields) == (v.UNKNOWN_VERSION, ("contract",))
    assert rule_named(rules, "plans") is None
    manifest = rules[wire.MANIFEST]
    assert (manifest.fields[0].values, manifest.renamed) == (("accounts", "debts"), (("debts", "accounts"),))

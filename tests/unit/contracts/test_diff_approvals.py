"""What widens needs an approval of its very content; a doubtful file approves nothing; the vocabulary's code counts as well."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from publisher import wire
from publisher.contracts.diff import Diff, diff_sources, read_set
from publisher.contracts.kgroups import KGroup
from publisher.contracts.vocabulary import FUNCTIONS, Derive, Use, behaviour
from publisher.contracts.vocabulary.coarse import PostcodeArea, _postcode
from publisher.contracts.vocabulary.fingerprint import LOCK, computed, fingerprint, fingerprints, read_lock
from publisher.contracts.vocabulary.samples import SAMPLE_USES
from publisher.keys import LocalKeyring
from publisher.risk.assign import assign
from publisher.risk.steps import Steps
from tests.unit.contracts.conftest import SHIPPED


@pytest.fixture
def head(contracts_copy: Path) -> Path:
    """A copy whose customers' erasure takes longer, under a new version."""
    edit_text(
        contracts_copy / "customers.yaml", ("value: 30, unit: d", "value: 60, unit: d"), ("version: 1.1.0", "version: 1.2.0")
    )
    return contracts_copy


def edit_text(file: Path, *edits: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)


def compare(base: Path, head: Path) -> Diff:
    return diff_sources(read_set(str(base), base), read_set(str(head), head))


def approve(folder: Path, approved: str, **changes: Any) -> None:
    entry = {
        "entity": "customers",
        "digest": approved,
        "role": "data-protection-officer",
        "assessment": "DPIA-2026-014",
        "date": "2026-11-24",
    }
    (folder / "approvals.yaml").write_text(yaml.safe_dump({"approvals": [entry | changes]}))


def test_what_widens_is_unapproved_until_its_digest_is_approved(head: Path) -> None:
    diff = compare(SHIPPED, head)
    assert [(c.entity, c.field) for c in diff.unapproved] == [("customers", "erasure")]

    approve(head, diff.digests["customers"])

    assert compare(SHIPPED, head).unapproved == []
    assert compare(SHIPPED, head).approvals["customers"].assessment == "DPIA-2026-014"


def test_an_approval_covers_this_content_and_no_other(head: Path) -> None:
    approve(head, compare(SHIPPED, head).digests["customers"])
    edit_text(head / "customers.yaml", ("value: 60, unit: d", "value: 61, unit: d"))

    assert [c.field for c in compare(SHIPPED, head).unapproved] == ["erasure"]


def test_comments_and_layout_do_not_undo_an_approval(head: Path) -> None:
    approve(head, compare(SHIPPED, head).digests["customers"])
    edit_text(head / "customers.yaml", ("status: active", "# a remark\nstatus:   'active'"))

    assert compare(SHIPPED, head).unapproved == []


def test_an_approval_of_another_entity_approves_nothing(head: Path) -> None:
    approve(head, compare(SHIPPED, head).digests["customers"], entity="debts")

    assert compare(SHIPPED, head).unapproved


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"digest": "sha256:abc"}, "digest is missing or of another form"),
        ({"date": "2026-13-01"}, "date is missing or of another form"),
        ({"date": "soon"}, "date is missing or of another form"),
        ({"role": ""}, "role is missing or of another form"),
        ({"assessment": None}, "assessment is missing or of another form"),
        ({"expires": "never"}, "unknown key expires"),
        ({"assessment": "DPIA-"}, "assessment is missing or of another form"),
        *[
            ({"assessment": text}, "assessment is still the place for it: nobody has signed here")
            for text in ("DPIA-XXX-01", "DPIA 1 (TODO)", "see <link> 1", "the DPIA… of 2026")
        ],
        *[
            ({"role": text}, "role is still the place for it: nobody has signed here")
            for text in ("officer TBD", "the … officer", "xxx", "who? ?? signs")
        ],
    ],
)
def test_a_doubtful_approval_stops_everything(head: Path, changes: dict[str, Any], says: str) -> None:
    approve(head, "sha256:" + "0" * 64, **changes)

    (problem,) = compare(SHIPPED, head).problems

    assert (problem.file, problem.message) == ("approvals.yaml", says)
    assert problem.line > 1
    assert problem.remedy


def test_an_approval_of_a_day_that_has_not_begun_anywhere_approves_nothing(head: Path) -> None:
    digest = compare(SHIPPED, head).digests["customers"]
    here = datetime.now(UTC)
    approve(head, digest, date=(here + timedelta(days=2)).date().isoformat())
    (problem,) = compare(SHIPPED, head).problems
    assert (problem.file, problem.field, problem.message) == (
        "approvals.yaml",
        "customers.date",
        "the day of the approval is yet to come",
    )
    assert problem.line == 2

    approve(head, digest, date=here.date().isoformat())
    assert compare(SHIPPED, head).unapproved == []


def test_an_approval_from_before_the_last_release_was_of_another_change(head: Path) -> None:
    shutil.copytree(SHIPPED / "history", head / "history")
    digest = compare(SHIPPED, head).digests["customers"]
    approve(head, digest, date="2026-11-23")
    (problem,) = compare(SHIPPED, head).problems
    assert problem.message == "it was approved on 2026-11-23, before the last release of customers, on 2026-11-24"
    assert "write the day on which that was done" in problem.remedy

    approve(head, digest, date="2026-11-24")
    assert compare(SHIPPED, head).unapproved == []


@pytest.mark.parametrize("text", ["approvals: 5\n", "- a\n", "approvals: [5]\n", "approvals: [", "more: []\napprovals: []\n"])
def test_an_unreadable_approvals_file_stops_everything(head: Path, text: str) -> None:
    (head / "approvals.yaml").write_text(text)

    assert compare(SHIPPED, head).problems


def test_the_same_approval_twice_is_a_contradiction(head: Path) -> None:
    approve(head, "sha256:" + "0" * 64)
    entries = yaml.safe_load((head / "approvals.yaml").read_text())["approvals"]
    (head / "approvals.yaml").write_text(yaml.safe_dump({"approvals": [*entries, dict(entries[0])]}))

    (problem,) = compare(SHIPPED, head).problems
    assert problem.message == "the same content is approved twice"


def test_a_head_that_cannot_be_used_is_no_comparison(contracts_copy: Path) -> None:
    edit_text(contracts_copy / "customers.yaml", ("present(email)", "copy(email)"))
    diff = compare(SHIPPED, contracts_copy)

    assert diff.changes == []
    assert "copy(email) would let each row's email leave as it is" in diff.problems[0].message


def test_a_base_that_cannot_be_understood_counts_as_absent(contracts_copy: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(SHIPPED, tmp_path / "base"))
    edit_text(base / "customers.yaml", ("present(email)", "a_function_of_old(email)"))
    diff = compare(base, contracts_copy)

    assert [c.entity for c in diff.unapproved][:1] == ["customers"]
    assert any("cannot be understood by this publisher" in c.says for c in diff.unapproved)


def test_the_shipped_lock_is_that_of_this_vocabulary() -> None:
    """After an intended change of a function: `publisher contracts lock`, and an approval."""
    assert read_lock((SHIPPED / LOCK).read_text()) == fingerprints()


def test_a_function_that_does_something_else_widens(contracts_copy: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(SHIPPED, tmp_path / "base"))
    marks = fingerprints()
    (base / LOCK).write_text(json.dumps({**marks, "present": "0" * 32, "gone": "1" * 32}))
    changes = compare(base, contracts_copy).changes

    assert [(c.kind, c.entity, c.field) for c in changes] == [
        ("widens", "vocabulary", "present"),
        ("neutral", "vocabulary", "gone"),
    ]


@pytest.mark.parametrize("content", [None, "", "[]", "{", '{"present": 5}'])
def test_a_missing_lock_widens_and_a_broken_one_is_no_comparison(
    contracts_copy: Path, content: str | None, tmp_path: Path
) -> None:
    spoiled = Path(shutil.copytree(SHIPPED, tmp_path / "spoiled"))
    (spoiled / LOCK).unlink()
    if content is not None:
        (spoiled / LOCK).write_text(content)

    assert [c.says for c in compare(spoiled, contracts_copy).unapproved] == [
        "the base does not say what its functions did, so they cannot be compared"
    ]
    turned = compare(contracts_copy, spoiled)
    if content is None:
        (change,) = turned.unapproved
        assert change.says == "vocabulary.lock is not that of this publisher: write it with `publisher contracts lock`"
    else:
        (problem,) = turned.problems
        assert (problem.file, problem.line, turned.changes) == (LOCK, 1, [])
        assert "cannot be read" in problem.message


def test_a_fingerprint_notices_looser_rules_and_other_results(monkeypatch: pytest.MonkeyPatch) -> None:
    band, before = FUNCTIONS["band"], fingerprints()["band"]
    monkeypatch.setattr(type(band), "lowers", 2)
    assert fingerprint(band) != before
    monkeypatch.undo()
    monkeypatch.setattr(type(band), "labels", lambda self, edges: tuple(map(str, range(len(edges) + 1))))
    assert fingerprint(band) != before


def plain_hash(keyring: object, namespace: str, value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:32]


def leaks_leeds(function: PostcodeArea, use: Use) -> Derive:
    """Whole postcodes of one area: nothing that a handful of samples would show."""
    return lambda value: value if value.startswith("LS") else _postcode(value)[1]


def no_floor(group: Any, people: Any, floors: Any, say: Any) -> Any:
    return assign(group, people, {}, say)


@pytest.mark.parametrize(
    ("place", "attribute", "instead", "noticed"),
    [
        (LocalKeyring, "_pseudonym", plain_hash, {"pseudonym"}),
        (PostcodeArea, "derive", leaks_leeds, {"postcode_area"}),
        (behaviour, "assign", no_floor, {"k-groups"}),
        (KGroup, "silent", property(lambda group: len(group.steps) - 2), {"k-groups"}),
        (behaviour, "cut_time", lambda moment, precision: moment.isoformat(), {"committed_at"}),
        (wire, "_CUTS", wire._CUTS | {"hour": (16, ":00")}, {"committed_at"}),
        (Steps, "step", lambda steps, group, digest: 0, {"k-groups"}),
    ],
)
def test_a_fingerprint_notices_what_would_leave(
    monkeypatch: pytest.MonkeyPatch, place: Any, attribute: str, instead: Callable[..., Any], noticed: set[str]
) -> None:
    """An unkeyed hash, one area of postcodes, a time that is not cut, a floor that is forgotten: each shows in the lock."""
    before = computed()
    monkeypatch.setattr(place, attribute, instead)
    after = computed()
    assert noticed <= {name for name in before if before[name] != after[name]}


def test_every_function_has_samples() -> None:
    assert set(SAMPLE_USES) == set(FUNCTIONS)

"""The history of released contracts: what goes in, what a build compares with, and what it answers years later."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from publisher.cli import cli
from publisher.contracts.diff.approvals import digest_of
from publisher.contracts.history import approved_in_words
from publisher.contracts.released import HISTORY, RELEASES
from publisher.contracts.releases import read_releases
from publisher.contracts.source import parse_source
from tests.unit.contracts.conftest import SHIPPED
from tests.unit.contracts.release_history import TODAY, approve, edit, run, without_last_entry


def test_the_shipped_contracts_are_those_of_the_last_release_and_every_widening_was_approved() -> None:
    assert run(SHIPPED, "diff").stdout == "Nothing more would leave the platform than before.\n"
    assert {release.entity for release, _ in read_releases(SHIPPED)} == {file.stem for file in SHIPPED.glob("*.yaml")} - {
        "approvals"
    }
    for release, _ in read_releases(SHIPPED):
        told = run(SHIPPED, "history", f"{release.entity}.id")
        assert "approved by data-protection-officer" in told.output
        assert "NOT APPROVED" not in told.output


def test_a_build_compares_with_the_last_release_and_a_release_needs_the_approval(released: Path) -> None:
    edit(
        released / "customers.yaml",
        ("birth_band(date_of_birth, 10)", "birth_band(date_of_birth, 5)"),
        ("version: 1.1.0", "version: 1.2.0"),
    )
    assert run(released, "diff").exit_code == 1

    refused = run(released, "release")

    assert (refused.exit_code, len(read_releases(released))) == (1, len(read_releases(SHIPPED)))
    approve(released, refused)
    assert run(released, "release").stdout == "customers 1.2.0 released.\n"
    assert run(released, "release").stdout == "Nothing to release: every contract is as it was last released.\n"
    assert run(released, "diff").stdout == "Nothing more would leave the platform than before.\n"
    told = run(released, "history", "customers.birth_band").output.splitlines()
    assert told[0].endswith("customers 1.0.0  widens")
    assert told[-3].endswith("customers 1.2.0  widens")
    assert "birth_band(date_of_birth, 10) becomes birth_band(date_of_birth, 5)" in told[-2]
    assert told[-1] == f"    approved by data-protection-officer on {TODAY}, assessment DPIA-2027-003"


def test_the_page_says_who_approved_what_leaves(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = approved_in_words(released)
    assert said["customers"] == "By the data-protection-officer on 2026-11-28, assessment DPIA-2026-001."
    assert said["circumstances"].endswith("That was for contract 1.0.0; since then only less leaves.")
    edit(released / "debts.yaml", ("value: 30, unit: d", "value: 20, unit: d"))
    monkeypatch.setenv("CONTRACTS_DIR", str(released))
    page = CliRunner().invoke(cli, ["contracts", "page"]).output
    assert page.count("<dt>Approved</dt>") == len(said) - 1
    assert f"whose results are locked. Approved: {said['vocabulary']}" in page
    assert said["vocabulary"] == "By the data-protection-officer on 2026-11-28, assessment DPIA-2026-001."
    assert page.count("Not released: what stands here is a draft.") == 1
    (released / "approvals.yaml").unlink()
    said = approved_in_words(released)
    assert (said["customers"], said["vocabulary"]) == ("Nobody signed for it.", "Nobody signed for it.")
    (released / HISTORY / "vocabulary.lock").unlink()
    assert approved_in_words(released)["vocabulary"] == "Not released: what the functions do now is a draft."
    (released / "vocabulary.lock").write_text("{}")
    assert approved_in_words(released)["vocabulary"].startswith(
        "Nobody signed for it: the functions are not those of vocabulary.lock"
    )


def test_a_vocabulary_without_its_lock_cannot_be_signed_for(released: Path) -> None:
    (released / "vocabulary.lock").unlink()
    refused = run(released, "diff")
    assert refused.exit_code == 1
    assert "write it with `publisher contracts lock`" in refused.output
    assert "entity: vocabulary" not in refused.output, "no approval is offered for what nobody can read"


def test_the_check_looks_at_approvals_and_history_too(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTRACTS_DIR", str(released))
    assert CliRunner().invoke(cli, ["contracts", "check"]).exit_code == 0
    (released / "approvals.yaml").write_text("approvals: 3\n")
    result = CliRunner().invoke(cli, ["contracts", "check"])
    assert result.exit_code == 1
    assert "approvals.yaml:1: the file has no list of approvals" in result.output


def test_a_released_version_cannot_be_changed_under_its_number(released: Path) -> None:
    edit(released / "customers.yaml", ("birth_band(date_of_birth, 10)", "birth_band(date_of_birth, 20)"))

    result = run(released, "release")

    assert result.exit_code == 2
    assert (
        "customers.version: 1.1.0 was released with another content on 2026-11-24, and a released version never changes"
        in result.output
    )
    assert "Write a version higher than 1.1.0" in result.output


def test_a_column_tells_what_was_ever_derived_from_it(released: Path) -> None:
    assert (
        "customers.email (restricted, encrypted): leaves only as has_email (present(email))"
        in run(released, "history", "customers.email").output
    )
    edit(released / "customers.yaml", ("value: 30, unit: d", "value: 20, unit: d"), ("version: 1.1.0", "version: 1.1.1"))
    assert run(released, "release").exit_code == 0
    assert run(released, "history", "customers.email").output.count("customers.email") == 1, "said once, since nothing changed"


@pytest.mark.parametrize("name", ["customers.nothing", "nobody.name"])
def test_a_name_that_no_release_knows_is_one_sentence(name: str) -> None:
    result = run(SHIPPED, "history", name)
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert "no release" in result.output
    assert run(SHIPPED, "history", "customers").exit_code == 2


def test_a_history_that_was_edited_answers_nothing(released: Path) -> None:
    edit(released / HISTORY / "customers-1.0.0.yaml", ("present(email)", "copy(email)"))
    for command in (("diff",), ("release",), ("history", "customers.has_email")):
        result = run(released, *command)
        assert result.exit_code == 2
        assert (
            "the text of customers 1.0.0 is missing or not what was released. Restore history/customers-1.0.0.yaml from git"
            in result.output
        )


@pytest.mark.parametrize(
    ("content", "says"),
    [("[", "not readable as YAML"), ("releases: 3\n", "no list of releases"), ("releases: [{entity: customers}]\n", "lacks entity, version, digest or date")],
)  # fmt: skip
def test_a_list_of_releases_that_cannot_be_read_is_named(released: Path, content: str, says: str) -> None:
    (released / HISTORY / RELEASES).write_text(content)
    result = run(released, "diff")
    assert result.exit_code == 2
    assert says in result.output
    assert f"{HISTORY}/{RELEASES}:" in result.output


def test_without_a_history_all_of_it_is_new(released: Path) -> None:
    shutil.rmtree(released / HISTORY)
    (released / "approvals.yaml").write_text("approvals: []\n")
    result = run(released, "diff")
    assert result.exit_code == 1
    assert "would newly leave" in result.output


def test_what_was_released_is_kept_letter_by_letter() -> None:
    listed = yaml.safe_load((SHIPPED / HISTORY / RELEASES).read_text())["releases"]
    newest = {each["entity"]: each for each in listed}
    for entity, release in newest.items():
        assert (SHIPPED / HISTORY / f"{entity}-{release['version']}.yaml").read_bytes() == (
            SHIPPED / f"{entity}.yaml"
        ).read_bytes()


def test_a_history_that_was_edited_with_its_digests_stops_the_build(released: Path) -> None:
    """k from 10 to 2, in the contract, in the released version, and its new digest in the list of releases."""
    current, history = released / "customers.yaml", sorted((released / "history").glob("customers-*.yaml"))[-1]
    text = current.read_text().replace("        value: 10\n", "        value: 2\n")
    assert text != current.read_text()
    listed = released / "history" / "releases.yaml"
    before, after = (digest_of(parse_source("customers.yaml", each).data) for each in (history.read_text(), text))
    for file in (current, history):
        file.write_text(text)
    listed.write_text(listed.read_text().replace(before, after))
    for command in ("check", "diff"):
        done = CliRunner().invoke(cli, ["contracts", command], env={"CONTRACTS_DIR": str(released)})
        said = done.output + str(done.exception)
        assert done.exit_code != 0
        assert "nobody approved it" in said
        assert "customers" in said
    assert approved_in_words(released)["customers"] == "Nobody signed for it."


def said_by(folder: Path, *commands: str) -> list[tuple[int, str]]:
    """Exit code and words of each command, of a build and of a release."""
    results = [CliRunner().invoke(cli, ["contracts", command], env={"CONTRACTS_DIR": str(folder)}) for command in commands]
    return [(result.exit_code, result.output) for result in results]


def test_a_narrowing_cannot_be_taken_back_under_the_approval_from_before_it(released: Path) -> None:
    """What `git revert` does: the old text has the old digest, and of that there is an approval. Raising only the number asks anew."""
    debts = released / "debts.yaml"
    before = debts.read_text()
    edit(debts, ("truncate(placed_on, day)", "truncate(placed_on, month)"), ("version: 1.0.0", "version: 1.1.0"))
    assert run(released, "release").exit_code == 0

    debts.write_text(before)
    for code, said in said_by(released, "diff", "release", "check"):
        assert code != 0
        assert "this very content was released as 1.0.0 on 2026-11-24, and then 1.1.0 was released" in said
        assert "Write a version higher than 1.1.0: its digest is its own" in said
    assert "[approved" not in run(released, "diff").output

    edit(debts, ("version: 1.0.0", "version: 1.0.1"))
    for code, said in said_by(released, "diff", "release", "check"):
        assert (code == 0, "the version goes back from 1.1.0 to 1.0.1" in said) == (False, True)

    edit(debts, ("version: 1.0.1", "version: 1.2.0"))
    refused = run(released, "diff")
    assert refused.exit_code == 1
    assert "truncate(placed_on, month) becomes truncate(placed_on, day)" in refused.output
    approve(released, refused)
    assert [code for code, _ in said_by(released, "diff", "release", "check")] == [0, 0, 0]


def test_a_contract_that_was_taken_away_does_not_come_back_as_it_was(released: Path) -> None:
    messages = released / "messages.yaml"
    before = messages.read_text()
    messages.unlink()
    assert run(released, "release").stdout == "messages 1.0.0 withdrawn.\n"
    assert run(released, "release").stdout == "Nothing to release: every contract is as it was last released.\n"
    told = run(released, "history", "messages.channel").output
    assert told.rstrip().endswith("nothing of it leaves any more: the contract was withdrawn")

    messages.write_text(before)
    for code, said in said_by(released, "diff", "release", "check"):
        assert code != 0
        assert "this very content was released as 1.0.0 on 2026-11-24, and then 1.0.0 was withdrawn" in said

    edit(messages, ("version: 1.0.0", "version: 1.1.0"))
    refused = run(released, "diff")
    assert refused.exit_code == 1
    assert "messages: would newly leave" in refused.output
    approve(released, refused)
    assert run(released, "release").stdout == "messages 1.1.0 released.\n"
    assert [code for code, _ in said_by(released, "diff", "check")] == [0, 0]


def test_a_version_that_the_list_does_not_name_stops_everything(released: Path) -> None:
    without_last_entry(released)
    for code, said in said_by(released, "diff", "release", "check"):
        assert code != 0
        assert (
            "history/customers-1.1.0.yaml: the list of releases, history/releases.yaml, does not name this version. Restore the list from git"
            in said
        )
    (released / HISTORY / RELEASES).unlink()
    assert all("does not name this version" in said for _, said in said_by(released, "diff", "release", "check"))


@pytest.mark.parametrize("entry", ["version: 1.1.0", "version: 1.0.0"])
def test_versions_in_the_list_only_rise(released: Path, entry: str) -> None:
    listed = released / HISTORY / RELEASES
    last = yaml.safe_load(listed.read_text())["releases"][-1]
    with listed.open("a") as file:
        file.write(yaml.safe_dump([last | {"version": entry.split(": ")[1]}], sort_keys=False))
    ((code, said),) = said_by(released, "check")
    assert code == 1
    assert "stands twice, or behind a higher version" in said


def test_an_approval_from_before_the_release_that_it_follows_signs_for_nothing(released: Path) -> None:
    edit(released / "approvals.yaml", ("date: 2026-11-28", "date: 2026-11-23"))
    ((code, said),) = said_by(released, "check")
    assert code == 1
    assert "customers 1.1.0 was approved on 2026-11-23, before the release of 2026-11-24 that it follows" in said

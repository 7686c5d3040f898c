"""`publisher contracts diff` as a build calls it: exit codes, git revisions, and the three forms of its report."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from publisher.contracts.diff.report import DAY, REFERENCE, SIGNER
from publisher.contracts.diff_command import contracts_diff, contracts_lock
from publisher.contracts.vocabulary.fingerprint import LOCK
from tests.unit.contracts.conftest import SHIPPED


def run(*arguments: object) -> Result:
    return CliRunner().invoke(contracts_diff, [str(argument) for argument in arguments])


def edit(folder: Path, file: str, *edits: tuple[str, str]) -> None:
    text = (folder / file).read_text()
    version = re.search(r"version: 1\.(\d)\.0", text)
    assert version is not None
    for old, new in (*edits, (version[0], f"version: 1.{int(version[1]) + 1}.0")):
        assert old in text
        text = text.replace(old, new, 1)
    (folder / file).write_text(text)


EMAIL = """      - name: email
        logicalType: string
        classification: restricted
        description: The address.
        transformSourceObjects: [customers.email]
        transformLogic: copy(email)
"""
RAW = "copy(email) would let each row's email leave as it is, and it is a natural identifier (encrypted by the application): it would stand readable in the lake. Derive something coarser from it, such as present(email), or list it in withheld"
TO_DO = "Take the change back, or let the person who answers for it add to {folder}/approvals.yaml:"
FIVE = {
    "a raw e-mail column": ([("      - name: has_email\n", EMAIL + "      - name: has_email\n")], 2, RAW),
    "present(email) to copy(email)": ([("present(email)", "copy(email)")], 2, RAW),
    "k from 10 to 2": (
        [("value: 10\n", "value: 2\n")],
        1,
        "customers.k: values would leave that as few as 2 people share, instead of 10: the fewer they are, the nearer somebody is to being one of them",
    ),
    "erasure from 30 to 365 days": (
        [("value: 30, unit: d", "value: 365, unit: d")],
        1,
        "customers.erasure: an erasure may take 365 days instead of 30: what left of a person who wants it gone stays readable in the lake for so much longer",
    ),
    "restricted to public": (
        [("{name: email, logicalType: string, physicalType: bytea, classification: restricted", "{name: email, logicalType: string, physicalType: bytea, classification: public")],
        1,
        (
            "customers.email: the source column's classification goes from restricted to public: what is derived from it may then be shown to whoever may see what is "
            "public, and only its tags encrypted and natural-identifier keep the value itself from leaving by copy, one_of or truncate"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FIVE)
def test_each_of_the_five_accidents_stops_the_build_in_words(contracts_copy: Path, name: str) -> None:
    edits, code, says = FIVE[name]
    edit(contracts_copy, "customers.yaml", *edits)

    result = run(SHIPPED, contracts_copy)

    assert result.exit_code == code
    assert says in result.output, "what would leave"
    assert (TO_DO.format(folder=contracts_copy) in result.output) == (code == 1), (
        "what to do; where the contract itself is refused, the sentence says it"
    )
    assert "customers.yaml:" in result.output


def test_the_same_contracts_pass(contracts_copy: Path) -> None:
    result = run(SHIPPED, contracts_copy)

    assert (result.exit_code, result.output) == (0, "Nothing more would leave the platform than before.\n")


def test_what_narrows_passes_and_is_said(contracts_copy: Path) -> None:
    edit(contracts_copy, "debts.yaml", ("truncate(placed_on, day)", "truncate(placed_on, month)"))

    result = run(SHIPPED, contracts_copy)

    assert result.exit_code == 0
    assert "Less would leave the platform (1):" in result.output
    assert "truncate(placed_on, day) becomes truncate(placed_on, month)" in result.output


def test_the_printed_approval_is_what_has_to_be_written(contracts_copy: Path) -> None:
    edit(contracts_copy, "customers.yaml", ("value: 30, unit: d", "value: 60, unit: d"))
    refused = run(SHIPPED, contracts_copy)
    assert refused.exit_code == 1
    assert "[NOT APPROVED]" in refused.output
    printed = refused.output[refused.output.index("approvals:\n") : refused.output.index("Any later edit")]
    (contracts_copy / "approvals.yaml").write_text(printed)
    unsigned = run(SHIPPED, contracts_copy)
    assert unsigned.exit_code == 2, "as it is printed, nobody has signed it"
    for key in ("role", "assessment", "date"):
        assert f"{key} is " in unsigned.output
    signed = printed.replace(SIGNER, "data-protection-officer").replace(REFERENCE, "DPIA-2026-014").replace(DAY, "2026-11-24")
    (contracts_copy / "approvals.yaml").write_text(signed)

    result = run(SHIPPED, contracts_copy)

    assert result.exit_code == 0
    assert "[approved: data-protection-officer, DPIA-2026-014, 2026-11-24]" in result.output
    assert "1 change widens what leaves the platform, and all of it is approved." in result.output


def test_markdown_survives_a_table(contracts_copy: Path) -> None:
    edit(contracts_copy, "debts.yaml", ("money_band(principal_pence, 0, 100", "money_band(principal_pence, 0, 50, 100"))

    result = run(SHIPPED, contracts_copy, "--format", "markdown")

    (row,) = [line for line in result.output.splitlines() if line.startswith("| widens")]
    assert row.count(" | ") == 3
    assert "\\<0" in row
    assert "```yaml\napprovals:\n  - entity: debts\n" in result.output


def test_json_says_all(contracts_copy: Path) -> None:
    edit(contracts_copy, "debts.yaml", ("value: 30, unit: d", "value: 60, unit: d"))

    report = json.loads(run(SHIPPED, contracts_copy, "--format", "json").output)

    assert report["counts"] == {"widens": 1, "narrows": 0, "neutral": 1}
    assert report["unapproved"] == 1
    assert report["changes"][0] == {
        "kind": "widens", "entity": "debts", "field": "erasure", "says": "an erasure may take 60 days instead of 30: what left of a person who wants it gone stays readable in the lake for so much longer", "file": "debts.yaml",
        "line": 16, "approved": False,
    }  # fmt: skip
    assert report["digests"]["debts"].startswith("sha256:")
    assert report["problems"] == []


def test_json_of_contracts_that_cannot_be_used(contracts_copy: Path) -> None:
    (contracts_copy / "debts.yaml").write_text("[")
    result = CliRunner().invoke(contracts_diff, [str(SHIPPED), str(contracts_copy), "--format", "json"])

    assert result.exit_code == 2
    assert json.loads(result.stdout)["problems"][0]["file"] == "debts.yaml"


@pytest.fixture
def repository(contracts_copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository whose first commit, tagged v1, holds the shipped contracts."""
    for variable in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    root = contracts_copy.parent
    git(root, "init", "--quiet")
    commit(root, "one")
    git(root, "tag", "v1")
    return contracts_copy


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.test", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def commit(root: Path, message: str) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)


def test_a_git_revision_is_compared_with_the_working_folder(repository: Path) -> None:
    assert run("v1", "--contracts", repository).exit_code == 0
    edit(repository, "customers.yaml", ("value: 30, unit: d", "value: 60, unit: d"))

    result = run("v1", "--contracts", repository)

    assert result.exit_code == 1
    assert "60 days instead of 30" in result.output


def test_two_git_revisions_are_compared_with_the_approvals_of_the_second(repository: Path) -> None:
    edit(repository, "customers.yaml", ("value: 30, unit: d", "value: 60, unit: d"))
    commit(repository.parent, "two")
    refused = run("v1", "HEAD", "--contracts", repository)
    digest = refused.output.split("digest: ")[1].split()[0]
    entry = {"entity": "customers", "digest": digest, "role": "officer", "assessment": "DPIA-1", "date": "2026-11-24"}
    (repository / "approvals.yaml").write_text(json.dumps({"approvals": [entry]}))
    commit(repository.parent, "three")
    shutil.rmtree(repository)
    repository.mkdir()

    assert refused.exit_code == 1
    assert run("v1", "HEAD~1", "--contracts", repository).exit_code == 1
    assert run("v1", "HEAD", "--contracts", repository).exit_code == 0
    back = run("HEAD", "v1", "--contracts", repository)
    assert back.exit_code == 2, "back to an earlier version: no approval clears it"
    assert "customers.version: the version goes back from 1.2.0 to 1.1.0" in back.output
    assert "Write a version higher than 1.2.0" in back.output


def test_a_revision_before_the_first_contract_makes_all_of_it_new(repository: Path) -> None:
    git(repository.parent, "rm", "-r", "--quiet", "--cached", "contracts")
    git(repository.parent, "commit", "--quiet", "--message", "none", "--allow-empty")

    result = run("HEAD", "--contracts", repository)

    assert result.exit_code == 1
    assert "would newly leave: A person whose debts the company helps to resolve." in result.output


@pytest.mark.parametrize("base", ["no-such-thing", "--upload-pack=x", "v1:contracts"])
def test_a_base_that_is_neither_folder_nor_revision_gets_one_sentence(repository: Path, base: str) -> None:
    result = run("--contracts", repository, "--", base)

    assert result.exit_code == 2
    assert "neither a folder nor a git revision" in result.output
    assert "Traceback" not in result.output


def test_a_folder_outside_of_git_gets_one_sentence(tmp_path: Path) -> None:
    result = run("v1", "--contracts", tmp_path)

    assert (result.exit_code, "neither a folder nor a git revision" in result.output) == (2, True)
    assert run("v1", "--contracts", tmp_path / "missing").exit_code == 2


def test_the_lock_is_written_beside_the_contracts(contracts_copy: Path) -> None:
    (contracts_copy / LOCK).unlink()

    result = CliRunner().invoke(contracts_lock, ["--contracts", str(contracts_copy)])

    assert result.exit_code == 0
    assert (contracts_copy / LOCK).read_bytes() == (SHIPPED / LOCK).read_bytes()
    assert CliRunner().invoke(contracts_lock, ["--contracts", str(contracts_copy / "missing")]).exit_code == 2

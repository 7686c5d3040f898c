"""docs/contracts.md says what the code does: each function with its signature, each rule's word, each example that it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from publisher.cli import cli
from publisher.contracts import check_contracts
from publisher.contracts.build import PERIODS
from publisher.contracts.columns import CLASSIFICATIONS, TAGS
from publisher.contracts.diff.approvals import FORMS
from publisher.contracts.diff.change import KINDS
from publisher.contracts.diff.report import DAY, REFERENCE, SIGNER
from publisher.contracts.diff_command import contracts_diff, contracts_lock
from publisher.contracts.form import CUSTOM
from publisher.contracts.vocabulary import FUNCTIONS
from publisher.wire import OPS

PAGE = (Path(__file__).parents[3] / "docs" / "contracts.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([a-z_]+\(.*?\))` \|", PAGE, re.MULTILINE)


def test_every_function_stands_in_the_table_with_its_signature_from_least_to_most() -> None:
    assert [row.replace("\\|", "|") for row in ROWS] == [function.signature for function in FUNCTIONS.values()]
    assert [FUNCTIONS[row.split("(")[0]].reveal_rank for row in ROWS] == sorted(
        function.reveal_rank for function in FUNCTIONS.values()
    )
    assert f"{_word(len(FUNCTIONS))} functions" in PAGE


def _word(count: int) -> str:
    return {10: "Ten", 11: "Eleven", 12: "Twelve", 13: "Thirteen"}[count]


@pytest.mark.parametrize(
    "word", [*CLASSIFICATIONS, *TAGS, *PERIODS, *sorted(OPS), *CUSTOM["event"], *CUSTOM["field"], *FORMS, *KINDS]
)
def test_every_word_of_the_contracts_is_explained(word: str) -> None:
    assert re.search(rf"[`*\[ ]{re.escape(word)}[`*:\]]", PAGE)


def test_every_command_is_named() -> None:
    for command in ("check", "diff", "lock", "page"):
        assert f"`publisher contracts {command}" in PAGE
    assert (contracts_diff.name, contracts_lock.name) == ("diff", "lock")
    assert CliRunner().invoke(contracts_diff, ["--help"]).exit_code == 0


def test_the_error_that_it_shows_is_the_one_that_comes(contracts_copy: Path) -> None:
    file = contracts_copy / "customers.yaml"
    file.write_text(file.read_text().replace("present(email)", "copy(email)"))
    (problem,) = check_contracts(contracts_copy)
    shown = next(line for line in PAGE.splitlines() if line.startswith("customers.yaml:"))

    assert re.sub(r":\d+:", ":", shown) == re.sub(r":\d+:", ":", str(problem))


def test_the_field_that_it_shows_is_in_the_contract() -> None:
    block = next(b for b in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "has_email" in b)
    contract = yaml.safe_load((Path(__file__).parents[3] / "contracts" / "customers.yaml").read_text())

    assert yaml.safe_load(block)[0] in contract["schema"][0]["properties"]


def test_every_link_within_the_page_leads_somewhere() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in PAGE.splitlines()
        if line.startswith("#")
    }

    assert set(re.findall(r"\]\(#([^)]*)\)", PAGE.replace("\n", " "))) <= headings


def test_the_first_contract_that_it_shows_is_checked_approved_and_released_as_it_says(tmp_path: Path) -> None:
    (contract,) = (b for b in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if b.startswith("apiVersion"))
    folder = tmp_path / "contracts"
    folder.mkdir()
    (folder / "members.yaml").write_text(contract)

    def says(command: str, code: int) -> str:
        done = CliRunner().invoke(cli, ["contracts", command], env={"CONTRACTS_DIR": str(folder)})
        assert done.exit_code == code, done.output
        return done.output

    assert says("check", 0) == f"1 contracts in {folder}: nothing is wrong.\n"
    says("lock", 0)
    wanted = says("diff", 1)
    shown = PAGE[PAGE.index("5 changes widen") : PAGE.index("  - entity: vocabulary\n    …")]
    assert shown in wanted.replace(str(folder), "contracts")
    approvals = wanted[wanted.index("approvals:") : wanted.index("Any later edit")]
    (folder / "approvals.yaml").write_text(
        approvals.replace(SIGNER, "officer").replace(REFERENCE, "DPIA-1").replace(DAY, "2026-11-24")
    )
    assert "all of it is approved" in says("diff", 0)
    assert "members 1.0.0 released.\n" in says("release", 0)
    assert "Nothing more would leave the platform than before." in says("diff", 0)

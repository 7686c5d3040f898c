"""The contracts are plain ODCS to its own tool: `datacontract` passes them without a network, and exports no more than stands in them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from publisher.contracts import load_contracts

CONTRACTS = Path(__file__).parents[3] / "contracts"
FILES = {entity: CONTRACTS / f"{entity}.yaml" for entity in sorted(load_contracts(CONTRACTS))}
EXPORTS = {
    **{(entity, "html"): ["html"] for entity in FILES},  # the form that shows the whole contract
    ("customers", "sql"): ["sql", "--dialect", "postgres"],
    ("customers", "jsonschema"): ["jsonschema", "--schema-name", "customers"],
}
CANARY = "Zebulon-Quackenbush"
SECRETS = dict.fromkeys(("AWS_SECRET_ACCESS_KEY", "PLATFORM_DATABASE_URL", "PUBLISHER_DATA_KEY", "DATACONTRACT_POSTGRES_USERNAME", "DATACONTRACT_POSTGRES_PASSWORD", "DATACONTRACT_S3_SECRET_ACCESS_KEY"), CANARY)  # fmt: skip
COMPUTED = re.compile(r"\d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d UTC|padding-left: [\d.]+rem")
"""When it was made, and how far in a field stands: what the tool writes that is in no file."""
NOWHERE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


def datacontract(commands: list[list[str]], folder: Path) -> list[dict[str, Any]]:
    """What each command leaves with and says, in a process with secrets in its environment and in the folder, and no network."""
    (folder / ".env").write_text(f"DATACONTRACT_DATABRICKS_TOKEN={CANARY}\n")
    results = folder / "results.json"
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("offline.py"), results],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **NOWHERE, **SECRETS},
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(results.read_text()))


def test_every_contract_passes_the_standards_own_linter_without_a_network(tmp_path: Path) -> None:
    linted = dict(zip(FILES, datacontract([["lint", str(file)] for file in FILES.values()], tmp_path), strict=True))
    for entity, result in linted.items():
        assert (result["code"], result["attempts"]) == (0, []), f"{entity}: {result['output']}"
        assert "Data contract is valid" in result["output"]


def test_a_broken_contract_fails_and_a_network_would_be_noticed(tmp_path: Path) -> None:
    """Without this, a linter that passes everything, and a hook that sees nothing, would prove as much."""
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        FILES["customers"].read_text().replace("transformLogic: present(email)", "transformLogic: [present, email]")
    )

    failed, reached = datacontract([["lint", str(broken)], ["lint", "http://contracts.invalid/customers.yaml"]], tmp_path)

    assert failed["code"] == 1
    assert "has_email" in failed["output"]
    assert reached["code"] == 1
    assert reached["attempts"]


def test_the_command_itself_tells_a_good_contract_from_a_broken_one(tmp_path: Path) -> None:
    """The console script, as a person would call it. It is in requirements.lock, so it is missing only where set-up was not run."""
    command = Path(sys.executable).with_name("datacontract")
    broken = tmp_path / "broken.yaml"
    broken.write_text(FILES["customers"].read_text().replace("transformLogic: present(email)", "transformLogic: 7"))

    codes = {
        file: subprocess.run(
            [command, "lint", file], capture_output=True, check=False, cwd=tmp_path, env={"HOME": str(tmp_path), **NOWHERE}
        ).returncode
        for file in (FILES["customers"], broken)
    }

    assert codes == {FILES["customers"]: 0, broken: 1}


def words(text: str) -> set[str]:
    """Its words and numbers, whatever stands between them; of escapes, what they stand for."""
    plain = re.sub(r"&#?\w+;|\\u[0-9a-f]{4}", " ", text)
    return {word for word in re.findall(r"[a-z0-9]+", plain.lower()) if len(word) > 1}


def tool_words() -> set[str]:
    """All words of the tool's own files: templates, styles, code."""
    found: set[str] = set()
    for file in metadata.distribution("datacontract-cli").files or []:
        if file.suffix in (".html", ".py", ".css", ".js", ".json"):
            found |= words(Path(str(file.locate())).read_text(errors="replace"))
    return found


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """The text of each export."""
    folder = tmp_path_factory.mktemp("exports")
    written = {(entity, form): folder / f"{entity}.{form}" for entity, form in EXPORTS}
    commands = [["export", *how, str(FILES[what[0]]), "--output", str(written[what])] for what, how in EXPORTS.items()]
    for what, result in zip(EXPORTS, datacontract(commands, folder), strict=True):
        assert (result["code"], result["attempts"]) == (0, []), f"{what}: {result['output']}"
        assert CANARY not in result["output"]
    return {what: file.read_text() for what, file in written.items()}


def test_an_export_says_what_stands_in_the_contract_and_nothing_else(exported: dict[tuple[str, str], str]) -> None:
    """Each word of it is the contract's, or the tool's own. The canaries in environment and folder are neither."""
    boilerplate = tool_words()
    assert not words(CANARY) & boilerplate, "the canary would not be found"
    for (entity, form), text in exported.items():
        contract = words(FILES[entity].read_text())
        made = words(COMPUTED.sub("", text))
        assert len(made & contract) > 20, f"{entity} as {form} is empty"
        assert made <= contract | boilerplate, f"{entity} as {form}: {sorted(made - contract - boilerplate)}"
        assert not words(CANARY) & (made | contract)

"""A copy of the shipped contracts with their history, edited and released by the tests beside it."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner, Result

from publisher.cli import cli
from publisher.contracts.diff.report import DAY, REFERENCE, SIGNER
from publisher.contracts.released import HISTORY, RELEASES

TODAY = datetime.now(UTC).date().isoformat()


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["contracts", *arguments, "--contracts", str(folder)])


def edit(file: Path, *edits: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)


def approve(folder: Path, refused: Result) -> None:
    """Writes what the refusal says is missing into the approvals."""
    printed = refused.output[refused.output.index("approvals:\n") : refused.output.index("Any later edit")]
    signed = printed.replace(SIGNER, "data-protection-officer").replace(REFERENCE, "DPIA-2027-003").replace(DAY, TODAY)
    new = signed.removeprefix("approvals:\n")
    with (folder / "approvals.yaml").open("a") as file:
        file.write(new)


def git(folder: Path, *arguments: str) -> None:
    identity = [
        "-c",
        "user.name=Test",
        "-c",
        "user.email=test@example.test",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "protocol.file.allow=always",
    ]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def commit(folder: Path, message: str) -> None:
    git(folder.parent, "add", "--all")
    git(folder.parent, "commit", "--quiet", "--message", message)


def without_last_entry(folder: Path) -> None:
    listed = folder / HISTORY / RELEASES
    text = listed.read_text()
    listed.write_text(text[: text.rindex("- entity: customers")])

"""`publisher contracts diff` and `publisher contracts lock`.

Belongs here: arguments, output, exit codes. Not here: the comparison (diff/). cli.py registers both under `contracts`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from publisher.contracts.appended import check_only_grew
from publisher.contracts.check import APPROVALS
from publisher.contracts.diff.compare import Diff, diff_sources
from publisher.contracts.diff.report import FORMATS, problems_as_text
from publisher.contracts.diff.revisions import read_set
from publisher.contracts.history import released_contracts, signed_versions
from publisher.contracts.releases import last_released
from publisher.contracts.signed_vocabulary import check_vocabulary_signed
from publisher.contracts.vocabulary.fingerprint import LOCK, write_lock
from publisher.errors import ContractError, SettingsError

FOLDER = click.option(
    "--contracts",
    "directory",
    type=click.Path(path_type=Path),
    envvar="CONTRACTS_DIR",
    default=Path("contracts"),
    show_default=True,
    help="The folder of contracts; of a git revision, the same folder there.",
)


@click.command("diff")
@click.argument("base", required=False)
@click.argument("head", required=False)
@click.option("--format", "form", type=click.Choice(sorted(FORMATS)), default="text", show_default=True)
@FOLDER
def contracts_diff(base: str | None, head: str | None, form: str, directory: Path) -> None:
    """Say what would leave more, or less, under the contracts of HEAD than of BASE.

    Both are folders or git revisions; BASE is the last release (the folder's history) and HEAD the folder of contracts unless given.
    Without BASE, git must know the history's list as one that only grew. Exit code 1: something widens that nobody has approved. 2: a contract goes back
    behind what was released, a field would change its type, or the contracts, their approvals, their history or the arguments cannot be used.
    """
    try:
        diff = _compared(base, head, directory)
    except SettingsError as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from None
    if diff.problems:
        click.echo(problems_as_text(diff), err=True)
    if not diff.problems or form != "text":
        click.echo(FORMATS[form](diff))
    if diff.problems:
        raise SystemExit(2)
    if diff.unapproved:
        raise SystemExit(1)


def _compared(base: str | None, head: str | None, directory: Path) -> Diff:
    """Raises SettingsError for arguments that name nothing; all else that is wrong stands in the problems."""
    after = read_set(head or str(directory), directory)
    folder = Path(head) if head is not None and Path(head).is_dir() else directory
    try:
        if base is None:
            released = [each.contract for each in signed_versions(directory)]  # a history that nobody signed for is no base
            check_vocabulary_signed(directory)
            if skipped := check_only_grew(directory):
                click.echo(skipped, err=True)
            before = last_released(directory)
        else:
            before, released = read_set(base, directory), released_contracts(after.history)
        diff = diff_sources(before, after, released)
    except ContractError as error:
        diff = Diff(problems=list(error.problems))
    return replace(diff, within=after.placed("") if head is not None else "", approvals_file=str(folder / APPROVALS))


@click.command("lock")
@FOLDER
def contracts_lock(directory: Path) -> None:
    """Write what the vocabulary's functions do now beside the contracts, for the next diff to compare with."""
    if not directory.is_dir():
        click.echo(f"there is no folder {directory}: set CONTRACTS_DIR", err=True)
        raise SystemExit(2)
    write_lock(directory)
    click.echo(f"written to {directory / LOCK}")

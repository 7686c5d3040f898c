"""`publisher contracts diff` and `publisher contracts lock`.

Belongs here: arguments, output, exit codes. Not here: the comparison (diff/). cli.py registers both under `contracts`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from publisher.contracts.appended import check_only_grew
from publisher.contracts.check import read_contracts
from publisher.contracts.diff.compare import diff_sources
from publisher.contracts.diff.report import FORMATS
from publisher.contracts.diff.revisions import read_set
from publisher.contracts.history import signed_versions
from publisher.contracts.lasting import lasting_problems
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
    behind what was released, or the contracts, their approvals, their history or the arguments cannot be used.
    """
    try:
        signed = signed_versions(directory) if base is None else []  # a history that nobody signed for is no base
        if base is None:
            check_vocabulary_signed(directory)
            if skipped := check_only_grew(directory):
                click.echo(skipped, err=True)
        before = last_released(directory) if base is None else read_set(base, directory)
        after = read_set(head or str(directory), directory)
        diff = diff_sources(before, after)
        lasting = lasting_problems(read_contracts(after.sources)[0], (each.contract for each in signed))
        diff = replace(diff, problems=[*diff.problems, *lasting])
    except (SettingsError, ContractError) as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from None
    for problem in diff.problems:
        click.echo(str(problem), err=True)
    if not diff.problems or form == "json":
        click.echo(FORMATS[form](diff))
    if diff.problems:
        raise SystemExit(2)
    if diff.unapproved:
        raise SystemExit(1)


@click.command("lock")
@FOLDER
def contracts_lock(directory: Path) -> None:
    """Write what the vocabulary's functions do now beside the contracts, for the next diff to compare with."""
    if not directory.is_dir():
        click.echo(f"there is no folder {directory}: set CONTRACTS_DIR", err=True)
        raise SystemExit(2)
    write_lock(directory)
    click.echo(f"written to {directory / LOCK}")

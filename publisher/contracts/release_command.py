"""`publisher contracts release` and `publisher contracts history`.

Belongs here: arguments, output, exit codes. Not here: the history itself (releases.py, history.py).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from publisher.contracts.appended import check_only_grew
from publisher.contracts.diff.report import as_text
from publisher.contracts.diff_command import FOLDER
from publisher.contracts.history import history_of, signed_versions
from publisher.contracts.releases import add_release, unreleased
from publisher.contracts.signed_vocabulary import check_vocabulary_signed
from publisher.errors import ContractError, SettingsError


@click.command("release")
@FOLDER
def contracts_release(directory: Path) -> None:
    """Add the contracts as they are to the history, if all that widens since the last release is approved.

    Exit code 1: something widens that nobody has approved. 2: contracts, approvals or history cannot be used.
    """
    try:
        signed = signed_versions(directory)
        check_vocabulary_signed(directory)
        skipped = check_only_grew(directory)
        if skipped:
            click.echo(skipped, err=True)
        diff = unreleased(directory, (each.contract for each in signed))
        if diff.unapproved:
            click.echo(as_text(diff), err=True)
            raise SystemExit(1)
        added = add_release(directory, datetime.now(UTC).date())
    except (SettingsError, ContractError) as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from None
    for release in added:
        click.echo(f"{release.entity} {release.version} {'withdrawn' if release.withdrawn else 'released'}.")
    if not added:
        click.echo("Nothing to release: every contract is as it was last released.")


@click.command("history")
@click.argument("field")
@FOLDER
def contracts_history(field: str, directory: Path) -> None:
    """Say since when FIELD (customers.has_email, or a source column as customers.email) leaves, from what, and who approved it."""
    entity, _, name = field.partition(".")
    if not name:
        raise click.UsageError("name a field of an entity, as customers.has_email.")
    try:
        steps = history_of(directory, entity, name)
    except (SettingsError, ContractError) as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from None
    for step in steps:
        click.echo(f"{step.release.date}  {entity} {step.release.version}  {step.kind}")
        for says in step.says:
            click.echo(f"    {says}")
        if step.approval is not None:
            given = step.approval
            click.echo(f"    approved by {given.role} on {given.date}, assessment {given.assessment}")
        elif step.kind == "widens":
            click.echo("    NOT APPROVED: nobody signed for this content")

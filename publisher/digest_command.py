"""`publisher digest` and `publisher resync`.

Belongs here: arguments, output. Not here: the state itself (digest.py).
"""

from __future__ import annotations

import re
from typing import TextIO

import click

from publisher.console import known, read_settings, session, stopping
from publisher.contracts.model import PSEUDONYM_PATTERN
from publisher.digest import ROWS_PER_SECOND, send_digest
from publisher.errors import InstallError
from publisher.relay.run import make_keyring
from publisher.resync import resync
from publisher.wire import BUCKETS


@click.command("digest")
@click.argument("entities", nargs=-1)
@click.option(
    "--rows-per-second", type=click.FloatRange(min=1), default=ROWS_PER_SECOND, show_default=True, help="Of a table, at the most."
)
def digest_command(entities: tuple[str, ...], rows_per_second: float) -> None:
    """Tell the lake what the tables of ENTITIES (or all) say now, so that it can prove that it says the same. Run it on a schedule."""
    settings = read_settings()
    releases = make_keyring(settings).release_set
    known(entities, releases.contracts)
    refused: list[str] = []
    with session(settings, "digest") as connection, stopping() as stop:
        for entity in entities or releases.contracts:
            try:
                state = send_digest(connection, releases, entity, stop, rows_per_second)
            except InstallError as error:  # of one entity: the others are told all the same
                click.echo(str(error), err=True)
                refused.append(entity)
                continue
            left = f", {sum(state.unreleased):,} cannot leave or have not yet" if any(state.unreleased) else ""
            click.echo(f"{entity}: {sum(state.rows):,} rows{left}, in {BUCKETS} parts.")
    if refused:
        raise InstallError(f"nothing was told of {', '.join(refused)}: see above")


@click.command("resync")
@click.argument("entity")
@click.option("--buckets", required=True, help="As the lake's check names them, such as 3,17,200; or all.")
@click.option(
    "--codes",
    type=click.File("r"),
    help="A file with the lake's codes (_key) of these parts, one a line: those that no row has are deleted there.",
)
def resync_command(entity: str, buckets: str, codes: TextIO | None) -> None:
    """Send the rows of some parts of a table once more, where the lake says other things than the platform."""
    settings = read_settings()
    releases = make_keyring(settings).release_set
    known((entity,), releases.contracts)
    with session(settings, "resync") as connection, stopping() as stop:
        done = resync(connection, releases.contracts, releases.release, entity, _buckets(buckets), stop, _codes(codes))
    gone = f", and {done.gone:,} deletes of rows that are gone" if codes else ""
    click.echo(f"{entity}: {done.rows:,} rows put in the outbox{gone}{'; stopped, call again' if stop.is_set() else ''}.")


def _codes(file: TextIO | None) -> list[str]:
    codes = [line.strip() for line in file or () if line.strip()]
    if not all(re.fullmatch(PSEUDONYM_PATTERN, code) for code in codes):
        raise click.UsageError("--codes takes a file of codes, 32 hexadecimal digits a line, as the lake's column _key has them.")
    return codes


def _buckets(text: str) -> list[int]:
    if text == "all":
        return list(range(BUCKETS))
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) < BUCKETS for part in parts):
        raise click.UsageError(f"--buckets takes numbers from 0 to {BUCKETS - 1}, with commas between them, or all.")
    return [int(part) for part in parts]

"""`python -m lake_assets.erasure request -`: asks for persons to be erased, by their codes.

Belongs here: reading the codes. Not here: anything else.

For whom the platform has erased and no erase event names: a person under a former pseudonym key, say. The codes are read from standard input, since
arguments stay in a shell's history; what is written down are their digests.
"""

from __future__ import annotations

import sys

import click

from lake_assets.erasure.codes import CODE, person_digest
from lake_assets.erasure.requests import ask
from resources.errors import ResourceError
from resources.lake import LakeResource
from resources.spark import SparkConnectResource


@click.group()
def main() -> None:
    """Erasure on the lake's side."""


@main.command("request")
@click.argument("codes", default="-")
def request(codes: str) -> None:
    """Ask for persons to be erased. CODES is `-`: their codes are read from standard input, one a line."""
    if codes != "-":
        raise click.UsageError("write - and give the codes on standard input: an argument stays in the shell's history.")
    lines = [line.strip() for line in sys.stdin.read().splitlines() if line.strip()]
    if wrong := [number for number, text in enumerate(lines, 1) if not CODE.fullmatch(text)]:
        raise click.UsageError(
            f"line {wrong[0]} of standard input is no code of a person (32 digits of 0 to 9 and a to f); nothing was asked for."
        )
    try:
        with LakeResource(spark=SparkConnectResource()).tables("erasure/request") as tables:
            new = ask(tables, map(person_digest, lines))
    except ResourceError as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"{new} of {len(lines)} were not waiting already. The job erasure takes them up; start it, or wait for its schedule."
    )


if __name__ == "__main__":
    main(prog_name="python -m lake_assets.erasure")

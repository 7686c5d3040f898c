"""`publisher keys rotate`.

Belongs here: arguments, output, exit codes. Not here: the rotation itself (rotation.py).
"""

from __future__ import annotations

import boto3
import click
from botocore.exceptions import ClientError

from publisher import backfill as backfilling
from publisher import rotation
from publisher.console import progress, read_settings, session, stopping
from publisher.contracts import load_contracts
from publisher.errors import SettingsError
from publisher.keys import add_pseudonym_key, read_pseudonym_keys
from publisher.relay.run import readable_keys


@click.group("keys")
def keys_group() -> None:
    """The keys that make pseudonyms, in PUBLISHER_PSEUDONYM_SECRET, by version."""


@keys_group.command("rotate")
@click.option("--dry-run", is_flag=True, help="Only say how much would leave once more.")
@click.option("--make", is_flag=True, help="Make the next key, and say what to write in the contracts.")
def keys_rotate(dry_run: bool, make: bool) -> None:
    """Send all rows anew under the pseudonym key that every contract names, once the relay is drained and stopped.

    First make the key with --make, and release contracts that name it. Goes on where an earlier call was stopped.
    """
    settings = read_settings()
    loaded = load_contracts(settings.contracts_dir)
    with readable_keys():
        secrets = boto3.Session(region_name=settings.region).client("secretsmanager")
        held = tuple(sorted(read_pseudonym_keys(secrets, settings.pseudonym_secret)))
    with session(settings, "keys rotate") as connection, stopping() as stop:
        found = rotation.plan(connection, loaded, held)
        if found.named not in held:
            raise SettingsError(
                f"the contracts name key {found.named}, which the secret does not hold: write the version that is to come"
            )
        click.echo(rotation.as_text(found))
        if dry_run:
            return
        if make:
            made = found.in_use + 1
            if made not in held:
                made = _make(secrets, settings.pseudonym_secret)
            click.echo(
                f"\nKey {made} is in the secret. Write {{property: pseudonymKey, value: {made}}} into every contract, raise their versions, release them,"
                "\ndeploy them to platform and lake, stop the relay, and give this command again."
            )
            return
        if not found.begins and not found.unfinished:
            click.echo("\nNothing to do: the contracts name the key in use, and all of it was sent. --make makes the next one.")
            return
        if found.begins:
            begun = rotation.begin(connection, found)
            click.echo(f"\nEpoch {begun} begins, under key {found.named}. The relay may run again, with these contracts.")
        for entity in backfilling.due(connection):
            with progress(entity, backfilling.estimate(connection, loaded[entity])) as report:
                done = backfilling.backfill(connection, loaded, entity, stop=stop, report=report)
            click.echo(f"{entity}: {done.rows:,} rows put in the outbox{'' if done.done else '; stopped, call again to go on'}.")


def _make(secrets: object, name: str) -> int:
    try:
        return add_pseudonym_key(secrets, name)  # type: ignore[arg-type]
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "ClientError")
        raise SettingsError(
            f"the secret {name} cannot be written ({code}): let whoever may add the next version to it, then give this command again"
        ) from None

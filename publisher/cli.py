"""The `publisher` command.

Belongs here: options, wiring, what is printed, exit codes. Not here: anything that a library user would need.

Exit codes: 0 done; 1 it could not be done, or a check found something; 2 wrong use, a missing setting, unusable contracts.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click
import psycopg

from publisher import backfill as backfilling
from publisher import deadletters, manifest, status
from publisher.capture import check_installation
from publisher.capture import install as install_capture
from publisher.console import known, progress, read_settings, session, stopping
from publisher.contracts import load_contracts, render_page
from publisher.contracts.diff_command import contracts_diff, contracts_lock
from publisher.contracts.history import approved_in_words
from publisher.contracts.release_command import contracts_history, contracts_release
from publisher.contracts.standing import everything_wrong
from publisher.database import translate
from publisher.deadletters_command import dead_letters_command
from publisher.digest_command import digest_command, resync_command
from publisher.epoch import raise_epoch
from publisher.erasure.command import erase_command
from publisher.errors import ContractError, PublisherError, SettingsError, TransientError
from publisher.keys_command import keys_group
from publisher.logs import configure
from publisher.outbox import try_lock
from publisher.relay import mark
from publisher.relay.judging import fault_of
from publisher.relay.run import make_keyring, run_relay
from publisher.risk.command import risk_command
from publisher.unforeseen import in_words


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pushlake-publisher", prog_name="publisher")
def cli() -> None:
    """Pushes from inside the platform what a release contract allows, and nothing else."""


@cli.group()
def contracts() -> None:
    """What may leave: contracts/*.yaml, in CONTRACTS_DIR."""


for command in (contracts_diff, contracts_history, contracts_lock, contracts_release):
    contracts.add_command(command)
cli.add_command(dead_letters_command)
cli.add_command(erase_command)
cli.add_command(keys_group)
cli.add_command(risk_command)
cli.add_command(digest_command)
cli.add_command(resync_command)


@contracts.command("check")
def contracts_check() -> None:
    """Say everything that is wrong with the contracts, with file, field and remedy."""
    directory = read_settings().contracts_dir
    problems = everything_wrong(directory)
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        raise SystemExit(1)
    click.echo(f"{len(load_contracts(directory))} contracts in {directory}: nothing is wrong.")


@contracts.command("page")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it there, instead of to the terminal.")
def contracts_page(output: Path | None) -> None:
    """The page for a data-protection officer: what leaves, what never does, what links to what."""
    directory = read_settings().contracts_dir
    page = render_page(load_contracts(directory), approved_in_words(directory))
    if output is None:
        click.echo(page)
    else:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(page, encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"{output} cannot be written ({error.strerror}): name a file that may be.") from None
        click.echo(f"written to {output}")


@cli.command()
@click.option("--check", is_flag=True, help="Only say what is missing, disabled, outdated, or in need of a backfill.")
@click.option("--new-epoch", is_flag=True, help="After a restore: number everything anew, so that no number has two contents.")
def install(check: bool, new_epoch: bool) -> None:
    """Write the publisher's schema and triggers into the platform's database. Safe to repeat."""
    settings = read_settings()
    loaded = load_contracts(settings.contracts_dir)
    with session(settings, "install") as connection:
        if check:
            findings = check_installation(connection, loaded)
            for finding in sorted(findings):
                click.echo(str(finding), err=True)
            if findings:
                raise SystemExit(1)
            click.echo(f"{len(loaded)} entities are captured as their contracts say.")
            return
        done = install_capture(connection, loaded)
        if new_epoch and not try_lock(connection):
            raise TransientError("a relay works on this database with the old numbers: stop it, then give --new-epoch again")
        raised = raise_epoch(connection, "the runbook: publisher install --new-epoch") if new_epoch else done.epoch
        if new_epoch:
            mark.forget(connection)
        due = backfilling.due(connection) if new_epoch else list(done.backfill_due)
    written = f"triggers written for {', '.join(done.written)}" if done.written else "all triggers were there already"
    click.echo(f"epoch {raised}; {written}.")
    if due:
        click.echo(f"Rows from before are not captured yet: run `publisher backfill {' '.join(due)}`.")


@cli.command()
@click.option("--once", is_flag=True, help="Send what waits now, then end.")
@click.option("--drain", is_flag=True, help="Send what waits now and the manifests that account for it, then end.")
def relay(once: bool, drain: bool) -> None:
    """Move the outbox to the stream, for ever or until SIGTERM. A second relay stands by."""
    if once and drain:
        raise click.UsageError("--once and --drain exclude each other: --drain does what --once does, and the manifests.")
    settings = read_settings()
    configure()
    with stopping() as stop:
        summary = run_relay(settings, stop, once=once, drain=drain)
    if once or drain:
        click.echo(
            f"{summary.events:,} events in {summary.records:,} records, {summary.manifests:,} manifests, "
            f"{summary.dead_letters:,} dead letters, {summary.retries:,} retries."
        )


@cli.command()
@click.argument("entities", nargs=-1)
@click.option("--due", is_flag=True, help="All entities that need one.")
@click.option(
    "--chunk", default=backfilling.CHUNK_ROWS, show_default=True, help="Rows a transaction.", type=click.IntRange(1, 50_000)
)
def backfill(entities: tuple[str, ...], due: bool, chunk: int) -> None:
    """Send the rows that ENTITIES hold at present, beside live writes. Goes on where an earlier call stopped."""
    settings = read_settings()
    loaded = load_contracts(settings.contracts_dir)
    known(entities, loaded)
    if bool(entities) == due:
        raise click.UsageError("name entities, or give --due.")
    with session(settings, "backfill") as connection, stopping() as stop:
        for entity in backfilling.due(connection) if due else entities:
            with progress(entity, backfilling.estimate(connection, loaded[entity])) as report:
                done = backfilling.backfill(connection, loaded, entity, chunk_rows=chunk, stop=stop, report=report)
            click.echo(f"{entity}: {done.rows:,} rows put in the outbox{'' if done.done else '; stopped, call again to go on'}.")


@cli.command()
def replay() -> None:
    """Judge the dead letters again, now that contract, key or row is mended, and put back what can leave."""
    settings = read_settings()
    releases = make_keyring(settings).release_set
    with session(settings, "replay") as connection:
        try:
            done = deadletters.replay(connection, partial(fault_of, releases.release))
        except psycopg.Error as error:
            raise translate(error, "replay") from None
    click.echo(
        f"{done.requeued:,} events go back to the outbox for the relay, {done.superseded:,} are superseded by a later event of their key, "
        f"{done.still_dead:,} keys still wait."
    )


@cli.command("manifest")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for the relay.", type=click.FloatRange(1))
def manifest_command(timeout: float) -> None:
    """Account for everything committed until now: end the range, and wait until its manifests are acknowledged."""
    settings = read_settings()
    loaded = load_contracts(settings.contracts_dir)
    with stopping() as stop:
        with session(settings, "manifest") as connection:
            alone = try_lock(connection)
            if not alone:
                seq_to = manifest.cut(connection)
                waited = 0.0
                while not manifest.accounted(connection, seq_to, loaded):
                    if stop.wait(0.2) or (waited := waited + 0.2) > timeout:
                        remedy = "a transaction older than the range still runs, or the relay stands: see `publisher status`"
                        raise TransientError(f"the range up to {seq_to} is not accounted for after {timeout:g} s: {remedy}")
        if alone:
            configure("WARNING")
            run_relay(settings, stop, drain=True)
    click.echo("everything committed before is sent, and accounted for.")


@cli.command("status")
@click.option("--json", "as_json", is_flag=True, help="As JSON: one object.")
def status_command(as_json: bool) -> None:
    """Show what waits, for how long, against which limit, what is parked and why, the epoch, and the last manifest."""
    settings = read_settings()
    with session(settings, "status") as connection:
        read = status.read_status(connection, settings.oldest_limit_seconds)
    click.echo(status.as_json(read) if as_json else status.show(read))


def main() -> None:
    """The entry point: one sentence for each error of ours, and of any other its class and place; the right exit code."""
    try:
        cli()
    except (SettingsError, ContractError) as error:
        click.echo(f"publisher: {error}", err=True)
        sys.exit(2)
    except PublisherError as error:
        click.echo(f"publisher: {error}", err=True)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 (what is not foreseen cannot be named)
        click.echo(f"publisher: not foreseen: {in_words(error)}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

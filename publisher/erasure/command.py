"""`publisher erase`.

Belongs here: how the key is read, waiting for the relay, the receipt. Not here: the protocol (request.py, settle.py).

The key is never an argument: those stay in a shell's history, and every user of the machine sees them in the list of processes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import click

from publisher.console import known, read_settings, session, stopping
from publisher.erasure.request import Receipt, ask, receipt, settled
from publisher.errors import TransientError
from publisher.logs import configure
from publisher.outbox import try_lock
from publisher.relay.run import make_keyring, run_relay
from publisher.wire import EPOCH_BITS


@click.command("erase")
@click.argument("entity")
@click.argument("key", default="-")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for the relay.", type=click.FloatRange(1))
def erase_command(entity: str, key: str, timeout: float) -> None:
    """Erase a person, a row of ENTITY: tell the lake, and purge what of the person waits here. KEY is `-`: it is read from standard input, or asked for.

    Also erased is every row whose subject the person is. The platform deletes its own rows itself, before or after.
    """
    if key != "-":
        raise click.UsageError("write - and give the key on standard input: an argument stays in the shell's history.")
    settings = read_settings()
    keys = make_keyring(settings)
    loaded = keys.release_set.contracts
    known((entity,), loaded)
    source_key = _read_key()
    with stopping() as stop:
        with session(settings, "erase") as connection:
            request, person = ask(connection, loaded, keys.keyring, entity, source_key)
            alone = try_lock(connection)
        if alone:
            configure("WARNING")
            run_relay(settings, stop, drain=True)
        with session(settings, "erase") as connection:
            waited = 0.0
            while not settled(connection, request, person):
                if stop.wait(0.1) or (waited := waited + 0.1) > timeout:
                    told = "it is asked for, and the next relay carries it out: see `publisher status`, then run this again for a receipt"
                    raise TransientError(f"the erasure is not through after {timeout:g} s: {told}")
            sent_at = datetime.now(UTC)
            click.echo(as_text(receipt(connection, request), sent_at))


def _read_key() -> str:
    text = click.prompt("Key of the person", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    if len(lines) != 1:
        raise click.UsageError("give one key on standard input, in a line of its own.")
    return lines[0]


def as_text(done: Receipt, sent_at: datetime) -> str:
    """For the file of whoever asked: counts, positions and times, and nobody's name."""
    here = {place: counts for place, counts in done.purged.items() if place != "under_way"}
    lines = [
        (f"erasure {done.erasure}", f"of one person of {done.entity}, with all that is about the person"),
        ("asked", _time(done.asked_at)),
        ("purged", _time(done.settled_at)),
        ("sent and acknowledged", _time(sent_at)),
        ("erase events", f"{_counts(done.events)}, seq {_position(done.seq_from)} to {_position(done.seq_to)}"),
        *((f"purged from publisher.{place}", _counts(counts)) for place, counts in sorted(here.items())),
        ("on their way, sent before", _counts(done.purged.get("under_way", {}))),
    ]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{entity} {count:,}" for entity, count in sorted(counts.items())) or "none"


def _position(seq: int) -> str:
    return f"{seq >> EPOCH_BITS}·{seq & ((1 << EPOCH_BITS) - 1)}"


def _time(moment: datetime | None) -> str:
    return "not yet" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

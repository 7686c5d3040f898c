"""What the publisher's commands share: settings from the environment, a session, signals, progress.

Belongs here: what a command opens and closes. Not here: a command.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import click
import psycopg

from publisher import backfill as backfilling
from publisher.database import Connection, connect, translate
from publisher.settings import Settings

TELL_SECONDS = 10.0


def read_settings() -> Settings:
    """Raises SettingsError."""
    return Settings.read(os.environ)


def known(entities: tuple[str, ...], loaded: Iterable[str]) -> None:
    """Raises click.UsageError for an entity that no contract names."""
    unknown = sorted(set(entities) - set(loaded))
    if unknown:
        raise click.UsageError(f"no contract names {', '.join(unknown)}; there are {', '.join(sorted(loaded))}.")


@contextmanager
def session(settings: Settings, name: str) -> Iterator[Connection]:
    """A session of the platform's database under a name. Its errors become ours, without values."""
    connection = connect(settings.need_database_url(), name)
    try:
        yield connection
    except psycopg.Error as error:
        raise translate(error, name) from None
    finally:
        connection.close()


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set: what is under way is finished, then the command ends."""
    stop = threading.Event()
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def progress(entity: str, about: int) -> Iterator[Callable[[backfilling.Progress], None]]:
    """Shows how far a backfill of about so many rows is, its rate and the time left: a bar on a terminal, elsewhere a line every ten seconds."""
    began = told = time.monotonic()
    if sys.stderr.isatty():
        with click.progressbar(
            length=max(1, about), label=entity, file=sys.stderr, show_pos=True, show_eta=True,
            item_show_func=_rate,
        ) as bar:  # fmt: skip
            yield lambda done: bar.update(
                max(0, min(done.rows, bar.length or 0) - bar.pos), done.rows / max(0.001, time.monotonic() - began)
            )
        return

    def report(done: backfilling.Progress) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= TELL_SECONDS and done.rows:
            told, rate = now, done.rows / (now - began)
            left = f", {(about - done.rows) / rate / 60:.0f} min left" if about > done.rows else ""
            click.echo(f"{done.entity}: {done.rows:,} of about {about:,} rows, {rate:,.0f}/s{left}", err=True)

    yield report


def _rate(rows_per_second: float | None) -> str | None:
    return None if rows_per_second is None else f"{rows_per_second:,.0f} rows/s"

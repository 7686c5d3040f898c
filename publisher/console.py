"""What the publisher's commands share: settings from the environment, a session, signals, progress.

Belongs here: what a command opens and closes. Not here: a command.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import click
import psycopg

from publisher import backfill as backfilling
from publisher.database import Connection, connect, translate
from publisher.settings import Settings


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


def progress() -> Callable[[backfilling.Progress], None]:
    """Tells every fifty thousand rows."""
    shown = [0]

    def report(progress: backfilling.Progress) -> None:
        if progress.rows - shown[0] >= 50_000:
            shown[0] = progress.rows
            click.echo(f"{progress.entity}: {progress.rows:,} rows …", err=True)

    return report

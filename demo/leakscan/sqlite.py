"""A SQLite database as text: every column of every row.

Belongs here: SQLite to blocks of text. Not here: its raw pages (rows that were deleted), which are searched as bytes: there a value
longer than a page is in pieces, here it is whole.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from demo.leakscan.errors import Unreadable

_ROWS = 500
_WAL = "-wal"
_TRIES = 6
_PAUSE_SECONDS = 0.3
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")  # so Dagster keeps its snapshots


def file_texts(path: Path) -> list[bytes]:
    """The rows of a database that others may be writing to. Raises Unreadable.

    With a write-ahead log a reader sees one state and disturbs nobody, so the file itself is read; otherwise, and where its writer
    was killed, a copy; again if a writer was faster.
    """
    log = path.with_name(path.name + _WAL)
    for attempt in range(_TRIES):
        try:
            if log.exists() and attempt % 2 == 0:
                return list(_texts_of(f"{path.absolute().as_uri()}?mode=ro"))
            return list(column_texts(path.read_bytes(), log.read_bytes() if log.exists() else b""))
        except Unreadable:
            if attempt + 1 == _TRIES:
                raise
            time.sleep(_PAUSE_SECONDS)
    return []


def column_texts(data: bytes, log: bytes = b"") -> Iterator[bytes]:
    """The rows of all tables of a database, with what its write-ahead `log` adds. Raises Unreadable."""
    with tempfile.TemporaryDirectory(prefix="leakscan-") as folder:
        copy = Path(folder) / "copy.db"
        copy.write_bytes(data)
        if log:
            copy.with_name(copy.name + _WAL).write_bytes(log)
        yield from _texts_of(copy.as_uri())


def _texts_of(uri: str) -> Iterator[bytes]:
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.text_factory = bytes
            yield from _rows(connection)
    except sqlite3.Error as error:
        raise Unreadable("SQLite columns", type(error).__name__) from None


def _rows(connection: sqlite3.Connection) -> Iterator[bytes]:
    listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    yield b"\n".join(name for (name,) in listed) + b"\n"
    for (name,) in listed:
        quoted = name.decode("utf-8", "surrogateescape").replace('"', '""')
        cursor = connection.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 (a name of the file's own, quoted)
        while rows := cursor.fetchmany(_ROWS):
            yield b"".join(_text(value) + b"\n" for row in rows for value in row if value is not None)


def _text(value: bytes | int | float) -> bytes:
    if not isinstance(value, bytes):
        return str(value).encode()
    if not value.startswith(_ZLIB):
        return value
    machine = zlib.decompressobj()
    try:
        return value + b"\n" + machine.decompress(value)
    except zlib.error:
        return value

"""The lines of a few bytes of objects, fetched by this process and handed to Spark.

Belongs here: one request an object, its checksum, its lines. Not here: which lines are events (`lines.py`), larger batches (Spark reads those).

Firehose may write many small objects. Spark lists each, looks at it twice and opens it, and the bronze of a thousand with 25,000 lines took 30 s so. A
request that names the etag also says at once whether the object is the one that the ledger knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import pyarrow as pa  # type: ignore[import-untyped]

from lake_assets.bronze.objects import EMPTY, GONE, OVERWRITTEN, SPACE, THREADS, BadObject, unpacked
from lake_assets.raw.batches import RawObject
from resources.landing import Landing, TooLarge

UNPACKED_BYTES = 128 << 20
"""Of all lines, in this process and with the statement that brings them to Spark."""

_BESIDES = 100
"""Bytes that a line takes besides its own and its object's name."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Fetched:
    """`lines(object STRING, raw BINARY)` of the objects that are whole, none of them blank, and the objects that are not."""

    lines: pa.Table
    bad: list[BadObject]


def fetch(landing: Landing, objects: Iterable[RawObject], most: int = UNPACKED_BYTES) -> Fetched | None:
    """Fetches objects and splits them into lines. None if these take more than `most` bytes: then nothing is known of any."""
    names, lines, bad, room = list[str](), list[bytes](), list[BadObject](), _Room(most)
    pool = ThreadPoolExecutor(THREADS)
    try:
        for landed, found in pool.map(lambda each: (each, _fetch(landing, each, room)), objects):
            if isinstance(found, BadObject):
                bad.append(found)
            else:
                names += [landed.key] * len(found)
                lines += found
    except TooLarge:
        return None
    finally:
        pool.shutdown(cancel_futures=True)
    return Fetched(pa.table({"object": pa.array(names, pa.string()), "raw": pa.array(lines, pa.binary())}), bad)


class _Room:
    """What all threads together may still take."""

    def __init__(self, most: int) -> None:
        self._left, self._lock = most, Lock()

    def take(self, count: int) -> None:
        with self._lock:
            self._left -= count
            if self._left < 0:
                raise TooLarge


def _fetch(landing: Landing, landed: RawObject, room: _Room) -> list[bytes] | BadObject:
    body = landing.read(landed.key, etag=landed.etag, most=landed.size_bytes) if landed.etag else None
    if body is None:
        return BadObject(landed, GONE if landing.etag(landed.key) is None else OVERWRITTEN)
    pieces: list[bytes] = []

    def keep(piece: bytes) -> None:
        room.take(len(piece))
        pieces.append(piece)

    if bad := unpacked(landed, body, keep):
        return bad
    # As Spark does it: a mark of the byte order before the first line is none of its bytes, and only "\n" ends a line, since a carriage return
    # is white space inside JSON.
    text = b"".join(pieces).removeprefix(_BOM)
    room.take(text.count(b"\n") * (len(landed.key) + _BESIDES))
    lines = [line for line in text.split(b"\n") if line.strip(SPACE)]
    return lines if lines or landed.rewritten else BadObject(landed, EMPTY)

"""The lines of a few bytes of objects, fetched by this process and handed to Spark.

Belongs here: one request an object, its checksum, its lines. Not here: which lines are events (`lines.py`), larger batches (Spark reads those).

Firehose writes many small objects. Spark lists each, looks at it twice and opens it in tasks of its own: a thousand objects with 25,000 lines
took 30 s, of which the lines took two. A request that names the etag also says at once whether the object is the one that the ledger knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa  # type: ignore[import-untyped]

from lake_assets.bronze.objects import GONE, OVERWRITTEN, BadObject, TooMuch, unpacked
from lake_assets.raw.batches import RawObject
from resources.landing import Landing

UNPACKED_BYTES = 128 << 20
"""Of lines, in this process at once."""

_THREADS = 16
_SPACE = b" \t\r"


@dataclass(frozen=True)
class Fetched:
    """`lines(object STRING, raw BINARY)` of the objects that are whole, none of them blank, and the objects that are not."""

    lines: pa.Table
    bad: list[BadObject]


def fetch(landing: Landing, objects: Iterable[RawObject], most: int = UNPACKED_BYTES) -> Fetched | None:
    """Fetches objects and splits them into lines. None if these are more than `most` bytes: then nothing is known of any."""
    names, lines, bad, left = list[str](), list[bytes](), list[BadObject](), most
    pool = ThreadPoolExecutor(_THREADS)
    try:
        for landed, found in pool.map(lambda each: (each, _fetch(landing, each, most)), objects):
            if isinstance(found, BadObject):
                bad.append(found)
                continue
            left -= len(found)
            if left < 0:
                return None
            # Only "\n" ends a line, as where Spark reads: a carriage return is white space inside JSON.
            of = [line for line in found.split(b"\n") if line.strip(_SPACE)]
            names += [landed.key] * len(of)
            lines += of
    except TooMuch:
        return None
    finally:
        pool.shutdown(cancel_futures=True)
    return Fetched(pa.table({"object": pa.array(names, pa.string()), "raw": pa.array(lines, pa.binary())}), bad)


def _fetch(landing: Landing, landed: RawObject, most: int) -> bytes | BadObject:
    body = landing.read(landed.key, etag=landed.etag) if landed.etag else None
    if body is None:
        return BadObject(landed, GONE if landing.etag(landed.key) is None else OVERWRITTEN)
    return unpacked(landed, body, most)

"""Raw objects that cannot be read, found and named one by one.

Belongs here: judging a whole object. Not here: its lines (`fetched.py`, `lines.py`).

Where Spark reads, it does so without asking first, and only when that fails are objects looked at here; what the run fetches is judged as it is
unpacked. A bad object is one quarantine row and none of its lines load: what stands before the place where a gzip breaks off was not checked by its
checksum.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lake_assets.raw.batches import RawObject
from resources.landing import Landing

GONE = "object gone"
OVERWRITTEN = "object overwritten"
NOT_GZIP = "not gzip"
TRUNCATED = "truncated gzip"
CORRUPT = "corrupt gzip"
EMPTY = "empty object"
UNREADABLE = "unreadable object name"

THREADS = 16
_CHUNK = 1 << 18
SPACE = b" \t\r"
"""What JSON has for white space, but for the end of a line."""

_GZIP = b"\x1f\x8b"
_UNREADABLE_NAME = re.compile(r"[*?\[\]{}\\^]|(?:^|/)[_.][^/]*$|\.(?:bz2|deflate|lz4|snappy|zst)$")
"""Hadoop takes these for patterns, hidden files or codecs that are not here. Firehose writes none of them."""


@dataclass(frozen=True)
class BadObject:
    """An object that gives no rows. `digest` is the SHA-256 of its bytes, where there are any."""

    object: RawObject
    reason: str
    digest: str | None = None


def unreadable_names(objects: Iterable[RawObject]) -> list[BadObject]:
    """The objects that Spark would silently skip or misunderstand."""
    return [BadObject(landed, UNREADABLE) for landed in objects if _UNREADABLE_NAME.search(landed.key)]


def bad_objects(landing: Landing, objects: Iterable[RawObject]) -> list[BadObject]:
    """Reads each object to its end and returns those that are not whole. One that an erasure wrote anew may be empty."""
    with ThreadPoolExecutor(THREADS) as pool:
        judged = pool.map(lambda landed: _judge(landing, landed), objects)
    return [bad for bad in judged if bad is not None]


def changed_objects(landing: Landing, objects: Iterable[RawObject]) -> list[BadObject]:
    """The objects that are not any more what the ledger knows: somebody removed or overwrote them."""

    def look(landed: RawObject) -> BadObject | None:
        etag = landing.etag(landed.key)
        if etag is None:
            return BadObject(landed, GONE)
        return None if etag == landed.etag else BadObject(landed, OVERWRITTEN)

    with ThreadPoolExecutor(THREADS) as pool:
        return [bad for bad in pool.map(look, objects) if bad is not None]


def unpacked(landed: RawObject, body: bytes, keep: Callable[[bytes], None]) -> BadObject | None:
    """Gives `keep` what the bytes of an object say, piece by piece, and says why it is bad, if it is. What `keep` raises is raised."""
    digest = hashlib.sha256()
    pieces = (body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK))
    reason = _judge_bytes(landed, pieces, digest, keep)
    return BadObject(landed, reason, digest.hexdigest()) if reason else None


def _judge(landing: Landing, landed: RawObject) -> BadObject | None:
    etag = landing.etag(landed.key)
    if etag is None:
        return BadObject(landed, GONE)
    if etag != landed.etag:
        return BadObject(landed, OVERWRITTEN)
    digest = hashlib.sha256()
    reason = _judge_bytes(landed, landing.chunks(landed.key, _CHUNK), digest)
    return BadObject(landed, reason, digest.hexdigest()) if reason else None


def _judge_bytes(
    landed: RawObject, chunks: Iterator[bytes], digest: hashlib._Hash, keep: Callable[[bytes], None] = lambda _: None
) -> str | None:
    reason = (_judge_gzip if landed.key.endswith(".gz") else _judge_plain)(chunks, digest, keep)
    # One that an erasure wrote anew may hold nothing any more.
    return None if reason == EMPTY and landed.rewritten else reason


def _judge_plain(chunks: Iterator[bytes], digest: hashlib._Hash, keep: Callable[[bytes], None]) -> str | None:
    filled = False
    for chunk in chunks:
        digest.update(chunk)
        keep(chunk)
        filled = filled or _filled(chunk)
    return None if filled else EMPTY


def _judge_gzip(chunks: Iterator[bytes], digest: hashlib._Hash, keep: Callable[[bytes], None]) -> str | None:
    """Follows every member to its checksum; memory stays bounded whatever a member unpacks to, but for what `keep` keeps."""
    member, head, filled, broken = _member(), b"", False, False

    def inflate(chunk: bytes) -> bytes:
        nonlocal broken, filled
        try:
            piece = member.decompress(chunk, _CHUNK)
        except zlib.error:
            broken = True
            return b""
        keep(piece)
        filled = filled or _filled(piece)
        return piece

    for chunk in chunks:
        digest.update(chunk)
        head = (head + chunk)[:2] if len(head) < 2 else head
        while chunk and not broken:
            member = _member() if member.eof else member
            inflate(chunk)
            chunk = member.unconsumed_tail or member.unused_data
    if not head:
        return EMPTY
    if not _GZIP.startswith(head):
        return NOT_GZIP
    while not broken and inflate(b""):  # input may be used up before output is
        pass
    if broken:
        return CORRUPT
    return TRUNCATED if not member.eof else (None if filled else EMPTY)


def _filled(piece: bytes) -> bool:
    """Whether there is more in it than blank lines."""
    return bool(piece.strip(SPACE + b"\n"))


def _member() -> zlib._Decompress:
    return zlib.decompressobj(wbits=31)

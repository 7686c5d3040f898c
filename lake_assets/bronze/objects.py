"""Raw objects that cannot be read, found and named one by one.

Belongs here: judging a whole object. Not here: its lines (`load.py`).

Spark reads a batch's objects without asking first; only when that fails are they looked at here. A bad object is one quarantine
row and none of its lines load: what stands before the place where a gzip breaks off was not checked by its checksum.
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

_THREADS = 16
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_UNREADABLE_NAME = re.compile(r"[*?\[\]{}\\^]|(?:^|/)[_.][^/]*$|\.(?:bz2|deflate|lz4|snappy|zst)$")
"""Hadoop takes these for patterns, hidden files or codecs that are not here. Firehose writes none of them."""


class TooMuch(Exception):
    """An object unpacks to more than this process takes."""


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
    with ThreadPoolExecutor(_THREADS) as pool:
        judged = pool.map(lambda landed: _judge(landing, landed), objects)
    return [bad for bad in judged if bad is not None and not (bad.reason == EMPTY and bad.object.rewritten)]


def changed_objects(landing: Landing, objects: Iterable[RawObject]) -> list[BadObject]:
    """The objects that are not any more what the ledger knows: somebody removed or overwrote them."""

    def look(landed: RawObject) -> BadObject | None:
        etag = landing.etag(landed.key)
        if etag is None:
            return BadObject(landed, GONE)
        return None if etag == landed.etag else BadObject(landed, OVERWRITTEN)

    with ThreadPoolExecutor(_THREADS) as pool:
        return [bad for bad in pool.map(look, objects) if bad is not None]


def unpacked(landed: RawObject, body: bytes, most: int) -> bytes | BadObject:
    """What the bytes of an object say, or why it is bad. Raises TooMuch."""
    pieces, size = list[bytes](), 0

    def keep(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        if size > most:
            raise TooMuch
        pieces.append(piece)

    digest = hashlib.sha256()
    if landed.key.endswith(".gz"):
        reason = _judge_gzip(iter([body]), digest, keep)
    else:
        digest.update(body)
        keep(body)
        reason = None
    whole = b"".join(pieces)
    # One that an erasure wrote anew may hold nothing any more.
    if reason in (None, EMPTY) and (landed.rewritten or _filled(whole)):
        return whole
    return BadObject(landed, reason or EMPTY, digest.hexdigest())


def _judge(landing: Landing, landed: RawObject) -> BadObject | None:
    etag = landing.etag(landed.key)
    if etag is None:
        return BadObject(landed, GONE)
    if etag != landed.etag:
        return BadObject(landed, OVERWRITTEN)
    digest = hashlib.sha256()
    chunks = landing.chunks(landed.key, _CHUNK)
    reason = _judge_gzip(chunks, digest) if landed.key.endswith(".gz") else _judge_plain(chunks, digest)
    return BadObject(landed, reason, digest.hexdigest()) if reason else None


def _judge_plain(chunks: Iterator[bytes], digest: hashlib._Hash) -> str | None:
    filled = False
    for chunk in chunks:
        digest.update(chunk)
        filled = filled or _filled(chunk)
    return None if filled else EMPTY


def _judge_gzip(chunks: Iterator[bytes], digest: hashlib._Hash, keep: Callable[[bytes], None] = lambda _: None) -> str | None:
    """Follows every member to its checksum; memory stays bounded whatever a member unpacks to, but for what `keep` keeps."""
    member, head, filled, broken = _member(), b"", False, False
    for chunk in chunks:
        digest.update(chunk)
        head = (head + chunk)[:2] if len(head) < 2 else head
        while chunk:
            member = _member() if member.eof else member
            try:
                piece = member.decompress(chunk, _CHUNK)
            except zlib.error:
                broken = True
                break
            keep(piece)
            filled = filled or _filled(piece)
            chunk = member.unconsumed_tail or member.unused_data
    if not head:
        return EMPTY
    if not _GZIP.startswith(head):
        return NOT_GZIP
    while not broken and (rest := member.decompress(b"", _CHUNK)):  # input may be used up before output is
        keep(rest)
        filled = filled or _filled(rest)
    if broken:
        return CORRUPT
    return TRUNCATED if not member.eof else (None if filled else EMPTY)


def _filled(piece: bytes) -> bool:
    """Whether there is more in it than the ends of lines and what is white space inside JSON."""
    return bool(piece.strip(b" \t\r\n"))


def _member() -> zlib._Decompress:
    return zlib.decompressobj(wbits=31)

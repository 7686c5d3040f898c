"""A raw object's bytes without the values of erased persons, every other byte as it was.

Belongs here: from bytes to bytes. Not here: which objects, and putting them back (objects.py).

Lines that name nobody are never parsed. Of a line that does, each JSON value is judged by itself: producers may join several without newlines.
What is no JSON and names somebody goes as a whole, from the first place that cannot be read: that is one value of quarantine, too.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lake_assets.erasure.codes import TOKEN, Codes, is_theirs

_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"
_GZIP_END = 8
"""A member ends with its checksum and size."""

_LEVEL = 6
"""Of compression: 9 takes 2.6 times as long, and saves two hundredths."""


@dataclass(frozen=True)
class Cut:
    """A body without what was theirs. `digests` are the SHA-256 of each value that went, as quarantine knows them."""

    body: bytes
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Unpacked:
    """An object's text. `whole` says that it could be read to its end; else `text` is what stands before."""

    text: bytes
    whole: bool
    packed: bool


def unpack(name: str, body: bytes) -> Unpacked:
    """The text of an object: gzip by its name, as Spark takes it, in any number of members."""
    if not name.endswith(".gz"):
        return Unpacked(body, True, False)
    text, rest = io.BytesIO(), body
    while rest:
        member = zlib.decompressobj(wbits=31)
        try:
            for start in range(0, len(rest), 1 << 16):  # in pieces: what stands before a broken place is kept
                text.write(member.decompress(rest[start : start + (1 << 16)]))
                if member.eof:
                    break
            else:
                return Unpacked(text.getvalue(), False, True)
        except zlib.error:
            return Unpacked(text.getvalue(), False, True)
        rest = member.unused_data + rest[start + (1 << 16) :]
    return Unpacked(text.getvalue(), bool(body), True)


def pack(text: bytes, like: Unpacked) -> bytes:
    """The text as the object was: gzip without a time; what was broken stays broken, so that it is refused as before."""
    if not like.packed:
        return text
    packed = gzip.compress(text, _LEVEL, mtime=0)
    return packed if like.whole else packed[:-_GZIP_END]


def cut(text: bytes, codes: Codes) -> Cut | None:
    """The text without what is theirs, or None where nothing is."""
    kept: list[bytes] = []
    digests: list[str] = []
    end = 0
    for start, stop, named in _naming_lines(text, codes):
        rest, gone = _without(text[start:stop], named)
        digests += gone
        kept += (text[end:start], rest)
        end = stop
    return Cut(b"".join([*kept, text[end:]]), tuple(digests)) if digests else None


def cut_failures(text: bytes, codes: Codes) -> Cut | None:
    """The same for what Firehose could not deliver: JSON lines that hold the record's bytes, in base64, in `rawData`."""
    kept: list[bytes] = []
    digests: list[str] = []
    for line in _lines(text):
        try:
            failure = json.loads(line)
            inner = base64.b64decode(failure["rawData"], validate=True)
        except (ValueError, KeyError, TypeError):
            outer = cut(line, codes)
            kept.append(outer.body if outer else line)
            digests += outer.digests if outer else ()
            continue
        found = cut(inner, codes)
        if found is None:
            kept.append(line)
            continue
        digests += found.digests
        if found.body.strip():
            failure["rawData"] = base64.b64encode(found.body).decode()
            kept.append(json.dumps(failure, separators=(",", ":")).encode() + b"\n")
    return Cut(b"".join(kept), tuple(digests)) if digests else None


def failures_text(text: bytes) -> bytes:
    """All that such an object says, its records decoded: what a search must read."""
    parts = [text]
    for line in _lines(text):
        try:
            parts.append(base64.b64decode(json.loads(line)["rawData"], validate=True))
        except (ValueError, KeyError, TypeError):
            continue
    return b"\n".join(parts)


def _lines(text: bytes) -> Iterator[bytes]:
    """Only "\\n" ends a line: a carriage return is white space inside JSON."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _naming_lines(text: bytes, codes: Codes) -> Iterator[tuple[int, int, dict[str, int]]]:
    """The lines that name somebody: where each begins and ends, and whom it names."""
    start, stop, named = 0, 0, dict[str, int]()
    for at, code, upto in codes.places(text):
        if at >= stop:
            if named:
                yield start, stop, named
            start, stop, named = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at) + 1 or len(text), {}
        named[code] = upto
    if named:
        yield start, stop, named


def _named(piece: bytes, hits: dict[str, int]) -> dict[str, int]:
    return {code: hits[code] for token in TOKEN.findall(piece) if (code := token.decode()) in hits}


def _without(line: bytes, named: dict[str, int]) -> tuple[bytes, list[str]]:
    """The line without the values that name somebody, and the digests of those; nothing of it is left where no other value stands."""
    text = line.decode("utf-8", "surrogateescape")
    kept, gone, position, last, values = "", [], 0, 0, 0
    while (start := _after_space(text, position)) < len(text):
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            value, end = None, len(text.removesuffix("\n"))
        piece = text[start:end].encode("utf-8", "surrogateescape")
        position = end
        if (theirs := _named(piece, named)) and _goes(value, theirs):
            gone.append(hashlib.sha256(piece).hexdigest())
            kept, last = kept + text[last:start], end
        else:
            values += 1
    rest = (kept + text[last:]).encode("utf-8", "surrogateescape")
    return (rest if values else b""), gone


def _goes(value: Any, named: dict[str, int]) -> bool:
    """Whether a value that names erased codes goes, by bronze's own rule where it has an event's form.

    An event of somebody else that only mentions the code is not theirs; a write of later stays, since the person came back.
    """
    if not isinstance(value, dict):
        return True
    subject = value.get("subject")
    if isinstance(subject, str) and TOKEN.fullmatch(subject.encode("utf-8", "surrogateescape")):
        named = {subject: named[subject]} if subject in named else {}
    if not isinstance(value.get("seq"), int):
        return bool(named)
    return any(is_theirs(str(value.get("op")), value["seq"], upto) for upto in named.values())


def _after_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position

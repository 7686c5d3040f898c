"""What is inside of a file's bytes: a facet for each way in which it can be read.

Belongs here: telling formats apart, by their first bytes, and taking them apart. Not here: where the bytes come from (sources/),
Parquet and SQLite themselves.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from demo.leakscan.parquet import footer_texts, value_texts
from demo.leakscan.sqlite import column_texts

NAME, RAW, GZIP, VALUES, FOOTER, SQLITE = "name", "bytes", "gzip", "Parquet values", "Parquet footer", "SQLite columns"
CONTENT = (RAW, GZIP, VALUES, FOOTER, SQLITE)
"""All facets that `content` may yield: each must have its controls."""

_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"
_PACKED = (_GZIP_MAGIC, _PARQUET_MAGIC)
_STEP = 1 << 20


@dataclass(frozen=True)
class Facet:
    """One reading of one place: blocks of bytes, made as they are asked for; Unreadable may come in the middle."""

    name: str
    blocks: Iterable[bytes]
    opened: bool = False
    """Whether another facet shows what is packed in here: then only what stands as it is matters, and no encodings."""


def content(data: bytes) -> Iterator[Facet]:
    """The bytes as they are, and what is in them. Bytes inside of gzip are opened once more (a Parquet file in a gzip)."""
    yield Facet(RAW, [data], opened=data.startswith(_PACKED))
    yield from _inside(data)


def _inside(data: bytes) -> Iterator[Facet]:
    if data.startswith(_GZIP_MAGIC):
        opened = b"".join(gunzipped(data))
        yield Facet(GZIP, [opened])
        yield from _inside(opened)
    elif data.startswith(_PARQUET_MAGIC):
        yield Facet(VALUES, value_texts(data))
        yield Facet(FOOTER, footer_texts(data))
    elif data.startswith(b"SQLite format 3\x00"):
        yield Facet(SQLITE, column_texts(data))


def gunzipped(data: bytes) -> Iterator[bytes]:
    """All members; of one that is damaged or cut short, what can be had. What follows the last member is raw bytes already."""
    while data.startswith(_GZIP_MAGIC):
        member = zlib.decompressobj(wbits=31)
        position, step = 0, _STEP
        while position < len(data) and not member.eof:
            before = member.copy()
            try:
                yield member.decompress(data[position : position + step])
            except zlib.error:  # it returns nothing of a step that fails, so the last bytes are taken one by one
                if step == 1:
                    return
                member, step = before, max(1, step // 64)
                continue
            position += step
        if not member.eof:
            yield member.flush()
            return
        data = member.unused_data + data[position:]

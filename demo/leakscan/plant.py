"""Controls as files: the same texts as lines, gzip, Parquet and SQLite.

Belongs here: writing what decode.py must open. Not here: where the files are put (sources/), what the texts are (controls.py).
"""

from __future__ import annotations

import gzip
import io
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from demo.leakscan.decode import FOOTER, GZIP, RAW, SQLITE, VALUES

CODECS = ("snappy", "zstd", "gzip")


def files(documents: Mapping[str, list[bytes]]) -> Iterator[tuple[str, bytes]]:
    """Yields (file name, content) that hold the controls of each content facet."""
    yield "controls.txt", b"\n".join(documents[RAW])
    yield "controls.json.gz", gzip.compress(b"\n".join(documents[GZIP]), 6)
    for number, codec in enumerate(CODECS):
        # Dictionary pages with the first codec, plain pages with the others.
        yield f"controls.{codec}.parquet", _parquet(documents, codec, dictionary=number == 0)
    yield "controls.db", _sqlite(documents[SQLITE])


def _parquet(documents: Mapping[str, list[bytes]], codec: str, *, dictionary: bool) -> bytes:
    """Each text of the footer is the smallest and largest value of a column of its own; those of the values are no extremes."""
    inner = [text.decode() for text in documents[VALUES]]
    values = ["\x00 smallest", *inner, *inner, "\U0010ffff largest"]
    columns: dict[str, object] = {"value": values}
    for number, text in enumerate(documents[FOOTER]):
        columns[f"c{number}"] = [text.decode()] + [None] * (len(values) - 1)
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression=codec, use_dictionary=dictionary, write_statistics=True)
    return buffer.getvalue()


def _sqlite(texts: list[bytes]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="leakscan-") as folder:
        path = Path(folder) / "controls.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE controls (number INTEGER PRIMARY KEY, content TEXT, bytes BLOB)")
            for number, text in enumerate(texts):
                row = ((text.decode(), None), (None, text), (None, zlib.compress(text)))[number % 3]
                connection.execute("INSERT INTO controls VALUES (?, ?, ?)", (number, *row))
            connection.commit()
        return path.read_bytes()

"""What is inside of a file is shown, whole or damaged."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demo.leakscan.decode import content, gunzipped
from demo.leakscan.errors import Unreadable
from demo.leakscan.parquet import footer_texts, value_texts
from demo.leakscan.sources.files import FileItem
from demo.leakscan.sqlite import file_texts

VALUE = "Jane Q. Smith-Jones"


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("codec", ["snappy", "zstd", "gzip", "lz4", "brotli", "none"])
@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_values_of_all_pages_are_shown(codec: str, dictionary: bool, version: str) -> None:
    names = [f"name {number % 7}" for number in range(50_000)]
    names[31_234] = VALUE
    data = parquet(
        {"name": names},
        compression=codec,
        use_dictionary=dictionary,
        data_page_version=version,
        row_group_size=20_000,
        data_page_size=4096,
        write_statistics=False,
    )
    assert VALUE.encode() in b"".join(value_texts(data))


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array([datetime.date(1984, 2, 3)]), b"1984-02-03"),
        (pa.array([datetime.datetime(1984, 2, 3, 4, 5, tzinfo=datetime.UTC)], pa.timestamp("ns")), b"1984-02-03 04:05:00"),
        (pa.array([datetime.datetime(1984, 2, 3, 4, 5, tzinfo=datetime.UTC)], pa.timestamp("us", "UTC")), b"1984-02-03 04:05:00"),
        (pa.array([7700900123]), b"7700900123"),
        (pa.array([7700900123.0]), b"7700900123"),
        (pa.array([decimal.Decimal("7700900123")]), b"7700900123"),
        (pa.array([b"\xffJane Q. Smith"]), b"\xffJane Q. Smith"),
        (pa.array([b"12345678"], pa.binary(8)), b"12345678"),
        (pa.array([{"a": {"b": [VALUE]}}]), VALUE.encode()),
        (pa.array([[(VALUE, 1)]], pa.map_(pa.string(), pa.int64())), VALUE.encode()),
        (pa.array([[("k", VALUE)]], pa.map_(pa.string(), pa.string())), VALUE.encode()),
        (pa.array([[[VALUE]]]), VALUE.encode()),
    ],
)
def test_every_type_is_shown_as_text(column: Any, text: bytes) -> None:
    assert text in b"".join(value_texts(parquet({"c": column})))


def test_old_timestamps_are_shown_too() -> None:
    column = pa.array([datetime.datetime(1984, 2, 3, tzinfo=datetime.UTC)], pa.timestamp("us"))
    data = parquet({"c": column}, use_deprecated_int96_timestamps=True)
    assert b"1984-02-03" in b"".join(value_texts(data))


def test_extremes_schema_and_own_pairs_of_a_footer_are_shown() -> None:
    table = pa.table({"Column of Jane": ["b", VALUE, "zz"]}).replace_schema_metadata({"own": "pair of Jane"})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    text = b"".join(footer_texts(buffer.getvalue()))
    for shown in (VALUE, "zz", "Column of Jane", "pair of Jane"):
        assert shown.encode() in text


def test_an_entry_of_a_dictionary_that_no_row_uses_is_shown() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array(["used", VALUE]))
    assert VALUE.encode() in b"".join(value_texts(parquet({"c": column}, store_schema=False)))


def test_a_damaged_page_is_no_silence() -> None:
    data = bytearray(parquet({"c": [random.Random(1).randbytes(9).hex() for _ in range(9000)]}, compression="zstd"))
    data[2000:2100] = b"\xff" * 100
    with pytest.raises(Unreadable):
        list(value_texts(bytes(data)))
    with pytest.raises(Unreadable):
        list(footer_texts(bytes(data[:4000])))


def test_all_members_of_a_gzip_are_opened() -> None:
    data = gzip.compress(b"first ") + gzip.compress(b"second ") + gzip.compress(b"third") + b"rest"
    assert b"".join(gunzipped(data)) == b"first second third"


def test_a_damaged_or_cut_gzip_gives_what_it_has() -> None:
    text = "".join(f"{random.Random(i).getrandbits(60):x}" for i in range(100_000)).encode()
    whole = gzip.compress(text)
    cut = b"".join(gunzipped(whole[: len(whole) // 2]))
    assert len(cut) > len(text) // 3
    assert text.startswith(cut)
    damaged = whole[: len(whole) // 2] + b"\xff" * 5000 + whole[len(whole) // 2 + 5000 :]
    assert b"".join(gunzipped(damaged))[: len(text) // 3] == text[: len(text) // 3]


def test_a_parquet_file_in_a_gzip_is_opened_as_well() -> None:
    facets = {facet.name: b"".join(facet.blocks) for facet in content(gzip.compress(parquet({"c": [VALUE]})))}
    assert VALUE.encode() in facets["Parquet values"]
    assert VALUE.encode() in facets["Parquet footer"]


def test_long_values_of_sqlite_are_whole_and_the_write_ahead_log_is_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    value = "".join(f"{number} of a text that fills pages. " for number in range(2000))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute('CREATE TABLE "odd ""name" (body TEXT, raw BLOB, number INTEGER)')
        connection.execute('INSERT INTO "odd ""name" VALUES (?, ?, 7700900123)', (value, VALUE.encode()))
        connection.commit()  # still in the log only: the connection is open
        item = FileItem("s", str(tmp_path), "runs.db", path.stat().st_size)
        text = b"".join(block for facet in item.facets() if facet.name == "SQLite columns" for block in facet.blocks)
    assert value.encode() in text
    assert VALUE.encode() in text
    assert b"7700900123" in text


def test_a_database_whose_writer_was_killed_is_read_with_its_log(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "live.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (body TEXT)")
        connection.execute("INSERT INTO t VALUES (?)", (VALUE,))
        connection.commit()
        for name in ("live.db", "live.db-wal"):  # and no -shm
            (tmp_path / name.replace("live", "left")).write_bytes((tmp_path / name).read_bytes())
    assert VALUE.encode() in b"".join(file_texts(tmp_path / "left.db"))


def test_a_damaged_database_is_no_silence(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    item = FileItem("s", str(tmp_path), "x.db", 5016)
    with pytest.raises(Unreadable):
        [list(facet.blocks) for facet in item.facets()]

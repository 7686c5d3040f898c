"""A Parquet file as text: the values of all pages, decoded, and what its footer tells.

Belongs here: Parquet to blocks of text. Not here: Delta (its log and checkpoints are JSON and Parquet), the search.

Values of a column are joined by line feeds, each distinct one of a dictionary or a number once: that is all a search needs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from demo.leakscan.errors import Unreadable

_EXACT = 2.0**53
_DICTIONARY = {"RLE_DICTIONARY", "PLAIN_DICTIONARY"}


def value_texts(data: bytes) -> Iterator[bytes]:
    """The values of each column chunk. Raises Unreadable where a page cannot be decoded."""
    try:
        for group, file in _row_groups(data):
            table = file.read_row_group(group, use_threads=False)
            for column in table.columns:
                for chunk in column.chunks:
                    yield from _array_texts(chunk)
    except (pa.ArrowException, OSError) as error:
        raise Unreadable("Parquet values", type(error).__name__) from None


def footer_texts(data: bytes) -> Iterator[bytes]:
    """Smallest and largest values of each column chunk, schema, and the file's own key-value pairs.

    Page indexes need no decoding: they stand in the file as they are, and are searched with its bytes.
    """
    try:
        metadata = pq.read_metadata(pa.BufferReader(data))
        lines = [metadata.created_by or ""]
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                lines += _statistics(metadata.row_group(group).column(column))
        yield "\n".join(lines).encode("utf-8", "surrogatepass")
        yield str(metadata.schema).encode()
        for key, value in (metadata.metadata or {}).items():
            yield b"\n" + key + b"\n" + value
    except (pa.ArrowException, OSError) as error:
        raise Unreadable("Parquet footer", type(error).__name__) from None


def _row_groups(data: bytes) -> Iterator[tuple[int, pq.ParquetFile]]:
    metadata = pq.read_metadata(pa.BufferReader(data))
    for group in range(metadata.num_row_groups):
        columns = [metadata.row_group(group).column(i) for i in range(metadata.num_columns)]
        coded = [c.path_in_schema for c in columns if c.physical_type == "BYTE_ARRAY" and _DICTIONARY & set(c.encodings)]
        yield group, pq.ParquetFile(pa.BufferReader(data), read_dictionary=coded)


def _statistics(column: Any) -> Iterator[str]:
    if not column.is_stats_set or not column.statistics.has_min_max:
        return
    for value in (column.statistics.min, column.statistics.max):
        yield value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _array_texts(array: Any) -> Iterator[bytes]:
    """The texts of an array of any type, one level at a time."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        yield from _array_texts(array.dictionary)
    elif pa.types.is_struct(kind):
        for child in array.flatten():
            yield from _array_texts(child)
    elif pa.types.is_map(kind):
        yield from _array_texts(array.keys)
        yield from _array_texts(array.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _array_texts(array.flatten())
    elif pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return
    else:
        yield from _joined(_as_binary(array))


def _as_binary(array: Any) -> Any:
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return array.cast(pa.large_binary())
    if pa.types.is_fixed_size_binary(kind):
        return array.cast(pa.binary()).cast(pa.large_binary())
    distinct = pc.unique(array)
    if pa.types.is_floating(kind):  # a telephone number as a float would be written with an exponent
        whole = distinct.filter(pc.and_(pc.equal(pc.floor(distinct), distinct), pc.less(pc.abs(distinct), _EXACT)))
        return pa.concat_arrays([_as_binary(whole.cast(pa.int64())), distinct.cast(pa.large_string()).cast(pa.large_binary())])
    if pa.types.is_timestamp(kind):  # of any unit and zone as 1999-12-31 23:59:59.000000
        distinct = distinct.cast(pa.timestamp("us"), safe=False)
    return distinct.cast(pa.large_string()).cast(pa.large_binary())


def _joined(array: Any) -> Iterator[bytes]:
    array = array.drop_null()
    if len(array):
        # Not pa.array(…) or pa.scalar(…): they import pandas, 0.8 s in each process.
        line = pa.LargeListArray.from_arrays(_plain(pa.int64(), 2, struct.pack("<qq", 0, len(array))), array)
        feed = _plain(pa.large_binary(), 1, struct.pack("<qq", 0, 1), b"\n")[0]
        yield pc.binary_join(line, feed)[0].as_py() + b"\n"


def _plain(kind: Any, length: int, *buffers: bytes) -> Any:
    return pa.Array.from_buffers(kind, length, [None, *map(pa.py_buffer, buffers)])

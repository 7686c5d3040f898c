"""Proves how the ledger cuts what has landed into batches: by bytes, and by objects where Spark has to list them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lake_assets.raw.batches import FETCHED_BYTES
from lake_assets.raw.ledger import BATCH_BYTES, BATCH_OBJECTS, LISTED_OBJECTS, _batches

KB, MB = 1 << 10, 1 << 20


def cut(*sizes: int) -> list[list[int]]:
    landed: list[Any] = [SimpleNamespace(size_bytes=size) for size in sizes]
    return [[item.size_bytes for item in taken] for taken in _batches(landed, BATCH_BYTES, BATCH_OBJECTS)]


@pytest.mark.parametrize(
    ("sizes", "lengths"),
    [
        ([KB] * 5_000, [5_000]),
        ([1] * (BATCH_OBJECTS + 1), [BATCH_OBJECTS, 1]),
        ([10 * KB] * 2_500, [LISTED_OBJECTS, LISTED_OBJECTS, 500]),
        ([2 * KB] * 3_000 + [5 * MB], [3_000, 1]),
        ([5 * MB] + [2 * KB] * 3_000, [1 + 1_536, 3_000 - 1_536]),
        ([30 * MB] * 3, [2, 1]),
        ([70 * MB, KB], [1, 1]),
    ],
)
def test_a_batch_is_of_many_objects_only_where_the_run_reads_them(sizes: list[int], lengths: list[int]) -> None:
    batches = cut(*sizes)
    assert [len(batch) for batch in batches] == lengths
    assert [size for batch in batches for size in batch] == sizes, "each once, in order"
    assert all(len(batch) <= LISTED_OBJECTS or sum(batch) <= FETCHED_BYTES for batch in batches)

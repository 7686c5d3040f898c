"""Minima and maxima wherever a lake can hold them: in Delta's log, its checkpoints, Parquet's footers, page indexes, Bloom filters.

Belongs here: finding them in objects. Not here: which of them may be there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

EXTREMES = ("minValues", "maxValues")


@dataclass
class Found:
    """`columns` are the columns with a minimum or maximum (or Bloom filter), as table and name, by where it stands.

    `looked_at` counts the objects (and of the log and checkpoints the statistics) that were read.
    """

    columns: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    looked_at: dict[str, int] = field(default_factory=dict)

    def add(self, where: str, table: str, names: Iterable[str]) -> None:
        self.looked_at[where] = self.looked_at.get(where, 0) + 1
        self.columns.setdefault(where, set()).update((table, name) for name in names)


def statistics_in(objects: Iterable[tuple[str, bytes]]) -> Found:
    """Every column of every object of a lake that has a minimum or maximum. `objects` are names below the lake, and bytes."""
    found = Found()
    for name, data in objects:
        table, rest = "/".join(name.split("/")[:2]), name.partition("/_delta_log/")[2]
        if rest.endswith(".json"):
            _log(found, table, data)
        elif name.endswith(".parquet"):
            if rest:
                _checkpoint(found, table, data)
            _footer(found, table, data, of_log=bool(rest))
    return found


def _log(found: Found, table: str, data: bytes) -> None:
    for line in data.splitlines():
        added = json.loads(line).get("add")
        if added and added.get("stats"):
            found.add("log", table, _extremes(json.loads(added["stats"])))


def _checkpoint(found: Found, table: str, data: bytes) -> None:
    for row in pq.read_table(pa.BufferReader(data)).to_pylist():
        added = row.get("add")
        if added:
            names = set(_extremes(json.loads(added.get("stats") or "{}"))) | set(_extremes(added.get("stats_parsed") or {}))
            found.add("checkpoint", table, names)


def _extremes(stats: Mapping[str, Any]) -> Iterator[str]:
    for kind in EXTREMES:
        yield from _leaves(stats.get(kind) or {})


def _leaves(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from (f"{name}.{each}" for each in _leaves(value))
        elif value is not None:
            yield name


def _footer(found: Found, table: str, data: bytes, *, of_log: bool) -> None:
    metadata = pq.read_metadata(pa.BufferReader(data))
    chunks = [metadata.row_group(g).column(c) for g in range(metadata.num_row_groups) for c in range(metadata.num_columns)]
    where = "checkpoint's footer" if of_log else "footer"
    found.add(where, table, {c.path_in_schema for c in chunks if c.is_stats_set and c.statistics.has_min_max})
    found.add("page index", table, {c.path_in_schema for c in chunks if c.has_column_index})
    found.add("bloom filter", table, {c.path_in_schema for c in chunks if c.bloom_filter_offset is not None})

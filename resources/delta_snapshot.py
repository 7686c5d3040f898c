"""What a Delta table consists of, read from its log without Spark: its files, the rows that deletion vectors hide in them, its properties.

Belongs here: the log's entries, as the protocol says (https://github.com/delta-io/delta/blob/master/PROTOCOL.md). Not here: listing (delta_log.py), what is
too small or too many (lake_assets/care), writing.

Spark has no SQL for it: DESCRIBE DETAIL counts files and bytes, and knows neither a file's size nor what a version's deletion vectors are. One list, a checkpoint and the
commits since, some ten small objects.
"""

from __future__ import annotations

import base64
import io
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as pq

from resources.delta_log import DeltaLogs, Table
from resources.errors import ResourceError

THREADS = 8
LOOKS = 3
"""So often, if files are replaced and deleted while they are read."""

PLAIN = frozenset({"deletionVectors", "vacuumProtocolCheck", "timestampNtz"})
"""The features of readers with which a file holds what its schema says, but for the rows that vectors hide."""

_COMMIT = re.compile(r"^(\d{20})\.json$")
_CHECKPOINT = re.compile(r"^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$")
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_B85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_FROM_Z85 = str.maketrans(_Z85, _B85)


class NotInLog(ResourceError, LookupError):
    """The log does not reach back to that version any more, or there is no such table."""


class NoTable(NotInLog):
    """There is no such table: its log has no name at all."""


class NotPlain(ResourceError):
    """A table's files do not say what its rows are, or are too many bytes: Spark reads them."""


@dataclass(frozen=True)
class LiveFile:
    """A data file of a version. `path` is where it lies under the table's folder; `vector` is the name of the file that holds its deletion vector, `hidden` how many rows that hides."""

    name: str
    size: int
    partition: tuple[tuple[str, str | None], ...]
    vector: str | None
    hidden: int
    stats: str | None
    path: str = ""

    @cached_property
    def statistics(self) -> Mapping[str, Any]:
        """What Delta noted of its rows: `numRecords`, `minValues`, `maxValues`."""
        found: Mapping[str, Any] = json.loads(self.stats) if self.stats else {}
        return found

    def may_hold(self, column: str, low: int, high: int) -> bool:
        """Whether the file may have a row of such a value: what its statistics do not tell, it may."""
        least, most = (self.statistics.get(side, {}).get(column) for side in ("minValues", "maxValues"))
        return least is None or most is None or (least <= high and low <= most)

    @property
    def rows(self) -> int | None:
        """How many rows the file holds, hidden ones included; None where nobody noted it."""
        return self.statistics.get("numRecords")


@dataclass(frozen=True)
class Snapshot:
    """A table in one version. `removed` says when files went out of it, in milliseconds since 1970, as far as the log remembers."""

    table: Table
    version: int
    files: tuple[LiveFile, ...]
    removed: Mapping[str, int]
    properties: Mapping[str, str]
    features: frozenset[str] = frozenset()
    """What a reader must know, as the protocol names it."""

    @property
    def names(self) -> set[str]:
        """The names of all files that the version needs, deletion vectors among them."""
        return {file.name for file in self.files} | {file.vector for file in self.files if file.vector}

    def plain(self, files: Iterable[LiveFile]) -> bool:
        """Whether some of its files hold its rows as they are: nothing hides one, and no feature of the table says that columns are called, or typed, otherwise in them."""
        return self.features <= PLAIN and not any(file.hidden for file in files)

    @property
    def rows(self) -> int | None:
        """How many rows it has, those that deletion vectors hide not among them; None where a file's were not noted."""
        counts = [file.rows for file in self.files]
        return None if None in counts else sum(count or 0 for count in counts) - sum(file.hidden for file in self.files)


def snapshot(logs: DeltaLogs, table: Table, version: int | None = None) -> Snapshot:
    """The table as it is, or as it was in a version.

    Raises NoTable, NotInLog for a version that cannot be put together, and NotPlain for a log whose checkpoints are of another kind. What is written or tidied up while it is
    listed is looked at again.
    """
    for _ in range(LOOKS - 1 if version is None else 0):
        try:
            return _snapshot(logs, table, version)
        except NoTable:
            raise
        except NotInLog:
            time.sleep(0.05)
    return _snapshot(logs, table, version)


def _snapshot(logs: DeltaLogs, table: Table, version: int | None) -> Snapshot:
    behind = logs.last_checkpoint(table) if version is None else None
    names = logs.log_names(table, behind or 0)
    commits = {int(match[1]): name for name in names if (match := _COMMIT.match(name))}
    checkpoints = _checkpoints(names)
    if not names and behind is None:
        raise NoTable(f"there is no table {'/'.join(table)}")
    if behind is not None and behind not in checkpoints and 0 not in commits:
        raise NotPlain(f"the log of {'/'.join(table)} has checkpoints that only Spark reads")
    wanted = max([*commits, *checkpoints], default=None) if version is None else version
    if wanted is None or not (wanted in commits or wanted in checkpoints):
        raise NotInLog(f"{'/'.join(table)} has no version {'at all' if wanted is None else wanted} in its log")
    base = max((at for at in checkpoints if at <= wanted), default=-1)
    replay = _Replay()
    for name in checkpoints.get(base, ()):
        replay.take(_entries_of_checkpoint(_read(logs, table, name)))
    since = range(base + 1, wanted + 1)
    if gone := [at for at in since if at not in commits]:
        raise NotInLog(
            f"version {wanted} of {'/'.join(table)} cannot be put together: commit {gone[0]} is not in its log any more"
        )
    with ThreadPoolExecutor(THREADS) as pool:
        for body in pool.map(lambda at: _read(logs, table, commits[at]), since):
            replay.take([json.loads(line) for line in body.splitlines() if line.strip()])
    return Snapshot(table, wanted, tuple(replay.files.values()), replay.removed, replay.properties, replay.features)


def snapshots(logs: DeltaLogs, tables: Iterable[Table]) -> dict[Table, Snapshot]:
    """Several tables as they are, at once; those that are not there are left out."""

    def one(table: Table) -> Snapshot | None:
        try:
            return snapshot(logs, table)
        except NoTable:
            return None

    with ThreadPoolExecutor(THREADS) as pool:
        return {found.table: found for found in pool.map(one, list(tables)) if found is not None}


def small_rows(
    logs: DeltaLogs, table: Table, wanted: Callable[[LiveFile], bool], *, at_most: int | None = None
) -> list[dict[str, Any]]:
    """The rows of a small table's files that are `wanted`, whole, and of partitions their values as the log writes them. Times are in UTC and do not say so.

    Raises NotInLog, and NotPlain for files that hold more than their rows (see `Snapshot.plain`), or `at_most` so many bytes.
    """
    for _ in range(LOOKS):
        found = snapshot(logs, table)
        files = [file for file in found.files if wanted(file)]
        if not found.plain(files):
            raise NotPlain(f"{'/'.join(table)} hides rows of its files, or needs a reader that knows more: only Spark reads it.")
        if at_most is not None and sum(file.size for file in files) > at_most:
            raise NotPlain(f"{'/'.join(table)} has more to read than {at_most:,} bytes")
        with ThreadPoolExecutor(THREADS) as pool:
            bodies = list(pool.map(lambda file: logs.read_file(table, file.path), files))
        if None not in bodies:
            return [
                dict(file.partition) | row
                for file, body in zip(files, bodies, strict=True)
                for row in pq.read_table(io.BytesIO(body or b""), coerce_int96_timestamp_unit="us").to_pylist()
            ]
    raise NotInLog(f"the files of {'/'.join(table)} are replaced and deleted as fast as they are read")


class _Replay:
    """The log's entries taken one commit after the other: the last word on a file holds."""

    def __init__(self) -> None:
        self.files: dict[str, LiveFile] = {}
        self.removed: dict[str, int] = {}
        self.properties: dict[str, str] = {}
        self.features: frozenset[str] = frozenset()

    def take(self, entries: Iterable[Mapping[str, Any]]) -> None:
        entries = list(entries)
        for entry in entries:
            if protocol := entry.get("protocol"):
                named = protocol.get("readerFeatures") or (["columnMapping"] if protocol.get("minReaderVersion") == 2 else [])
                self.features = frozenset(named)
            if metadata := entry.get("metaData"):
                self.properties = dict(metadata.get("configuration") or {})
            if gone := entry.get("remove"):
                self.files.pop(gone["path"], None)
                for name in filter(None, (_name(gone["path"]), _vector(gone.get("deletionVector")))):
                    self.removed[name] = max(self.removed.get(name, 0), int(gone.get("deletionTimestamp") or 0))
        # After what is removed: a commit that gives a file another deletion vector removes and adds it.
        for entry in entries:
            if added := entry.get("add"):
                hidden = (added.get("deletionVector") or {}).get("cardinality") or 0
                self.files[added["path"]] = LiveFile(
                    name=_name(added["path"]),
                    size=int(added["size"]),
                    partition=tuple(sorted(dict(added.get("partitionValues") or {}).items())),
                    vector=_vector(added.get("deletionVector")),
                    hidden=int(hidden),
                    stats=added.get("stats"),
                    path=unquote(added["path"]),
                )


def _checkpoints(names: Iterable[str]) -> dict[int, list[str]]:
    """The complete checkpoints, by version: each a file, or as many as its names say."""
    found: dict[int, list[str]] = {}
    parts: dict[int, list[str]] = {}
    for name in names:
        if match := _CHECKPOINT.match(name):
            at = int(match[1])
            if match[2] is None:
                found[at] = [name]
            else:
                parts.setdefault(at, []).append(name)
                if len(parts[at]) == int(match[3]):
                    found.setdefault(at, parts[at])
    return found


def _entries_of_checkpoint(body: bytes) -> list[dict[str, Any]]:
    file = pq.ParquetFile(io.BytesIO(body))
    wanted = [name for name in ("add", "remove", "metaData", "protocol") if name in file.schema_arrow.names]
    return [
        {key: {**value, **_maps(value)} for key, value in row.items() if value is not None}
        for row in file.read(columns=wanted).to_pylist()
    ]


def _maps(value: Mapping[str, Any]) -> dict[str, Any]:
    """PyArrow gives a map as a list of pairs."""
    return {name: dict(value[name]) for name in ("partitionValues", "configuration") if value.get(name)}


def _read(logs: DeltaLogs, table: Table, name: str) -> bytes:
    body = logs.read_entry(table, name)
    if body is None:  # Delta tidied its log up meanwhile
        raise NotInLog(f"{name} is not in the log of {'/'.join(table)} any more")
    return body


def _name(path: str) -> str:
    return unquote(path).rsplit("/", 1)[-1]


def _vector(descriptor: Mapping[str, Any] | None) -> str | None:
    """The name of the file that holds a deletion vector; None for one that stands in the log itself."""
    if not descriptor or descriptor["storageType"] == "i":
        return None
    text: str = descriptor["pathOrInlineDv"]
    if descriptor["storageType"] == "p":
        return _name(text)
    return f"deletion_vector_{uuid.UUID(bytes=base64.b85decode(text[-20:].translate(_FROM_Z85)))}.bin"

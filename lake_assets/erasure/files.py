"""The files of the lake: former versions deleted, all that lies there listed and read.

Belongs here: vacuum for an erasure, physical files. Not here: what is looked for in them (proof.py), upkeep on a schedule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from lake_assets.silver.current import OpenTables
from resources.aws import bucket_and_prefix, s3_client
from resources.landing import Landing
from resources.table_upkeep import keep_present_version

THREADS = 4


def vacuum(open_tables: OpenTables, lake_uri: str, erasure: int, names: Iterable[tuple[str, str]]) -> int:
    """Deletes of every table all files that its present version does not need; how many went. Nobody else is at work."""

    def one(table: tuple[str, str]) -> None:
        layer, name = table
        with open_tables(f"erasure/{erasure}/vacuum/{layer}/{name}") as tables:
            keep_present_version(tables, layer, name)

    files = lake_files(lake_uri)
    before = {file.name for file in files.list()}
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, names))
    return len(before - {file.name for file in files.list()})


@dataclass(frozen=True)
class LakeFile:
    """A file below the lake's root: `name` is relative to it."""

    name: str
    size: int


class LakeFiles(Protocol):
    """Everything that lies below the lake's root, former versions included."""

    def list(self) -> Iterator[LakeFile]: ...
    def read(self, file: LakeFile) -> bytes | None: ...


def lake_files(uri: str) -> LakeFiles:
    """The files of a lake in S3, or in a local folder."""
    return _Local(Path(unquote(urlsplit(uri).path))) if uri.startswith("file:") else _Bucket(uri)


class _Local:
    def __init__(self, root: Path) -> None:
        self.root = root

    def list(self) -> Iterator[LakeFile]:
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                yield LakeFile(str(path.relative_to(self.root)), path.stat().st_size)

    def read(self, file: LakeFile) -> bytes | None:
        return (self.root / file.name).read_bytes()


class _Bucket:
    """Of a bucket that keeps versions, each is a file of its own: `name#version`."""

    def __init__(self, uri: str) -> None:
        _, self.prefix = bucket_and_prefix(uri)
        self.bucket = Landing(uri, s3_client())

    def list(self) -> Iterator[LakeFile]:
        for each in self.bucket.versions():
            if not each.marker:
                yield LakeFile(f"{each.key.removeprefix(self.prefix)}#{each.version}", each.size)

    def read(self, file: LakeFile) -> bytes | None:
        name, _, version = file.name.partition("#")
        return self.bucket.read(self.prefix + name, version or None)

"""What the names in a Delta table's folder tell without Spark: its last version, and which of its files are there.

Belongs here: listing, on S3 and in a local folder. Not here: what is in a log or a file, writing.

Asking Spark takes a statement a table, some 0.3 s each. Here it is two calls a table, many tables at once: Delta notes where its last checkpoint is, at most some tens of
commits back, and the log is listed from there. So the cost does not grow with the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from resources.aws import bucket_and_prefix, s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 16
_COMMIT = re.compile(r"(?:^|/)(\d{20})\.json$")
Table = tuple[str, str]
"""Layer and name."""


class DeltaLogs:
    """The tables' folders under one lake; `s3` is made from the environment where the lake is on S3, unless given."""

    def __init__(self, lake_uri: str, s3: S3Client | None = None) -> None:
        self._folder: _Local | _Bucket
        if urlsplit(lake_uri).scheme in ("s3", "s3a"):
            self._folder = _Bucket(lake_uri, s3 or s3_client())
        else:
            self._folder = _Local(Path(url2pathname(unquote(urlsplit(lake_uri).path or lake_uri))))

    def versions(self, tables: Iterable[Table]) -> dict[Table, int]:
        """The last version of each table; one that is not there is not among them."""
        with ThreadPoolExecutor(THREADS) as pool:
            return {table: at for table, at in pool.map(self._version, list(tables)) if at is not None}

    def _version(self, table: Table) -> tuple[Table, int | None]:
        log = f"{'/'.join(table)}/_delta_log/"
        noted = self._folder.read(f"{log}_last_checkpoint")
        behind = int(json.loads(noted)["version"]) if noted else 0
        found = [int(match[1]) for name in self._folder.names(log, behind) if (match := _COMMIT.search(name))]
        return table, max([*found, *([behind] if noted else [])], default=None)

    def files(self, table: Table) -> set[str]:
        """The names of all files under a table's folder, without their folders: Delta gives each a name of its own."""
        return {name.rsplit("/", 1)[-1] for name in self._folder.all_names(f"{'/'.join(table)}/")}


class _Local:
    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str) -> bytes | None:
        with suppress(FileNotFoundError):
            return (self._root / name).read_bytes()
        return None

    def names(self, folder: str, behind: int) -> Iterator[str]:
        with suppress(FileNotFoundError):
            for path in (self._root / folder).iterdir():
                yield path.name

    def all_names(self, folder: str) -> Iterator[str]:
        for path in (self._root / folder).rglob("*"):
            yield path.name


class _Bucket:
    def __init__(self, lake_uri: str, s3: S3Client) -> None:
        self._bucket, self._prefix = bucket_and_prefix(lake_uri)
        self._s3 = s3

    def read(self, name: str) -> bytes | None:
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return None

    def names(self, folder: str, behind: int) -> Iterator[str]:
        """The names of the log's entries after a version."""
        log = self._prefix + folder
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=log, StartAfter=f"{log}{behind:020d}", Delimiter="/"
        )
        for page in pages:
            yield from (item["Key"] for item in page.get("Contents", ()))

    def all_names(self, folder: str) -> Iterator[str]:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + folder):
            yield from (item["Key"] for item in page.get("Contents", ()))

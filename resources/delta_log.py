"""What the names in a Delta table's folder tell without Spark: its last version, and which of its files are there.

Belongs here: listing, and reading as it is, on S3 and in a local folder. Not here: what a log's entries say (delta_snapshot.py), writing.

Asking Spark takes a statement a table, some 0.3 s each. Here it is two calls a table, many tables at once: Delta notes where its last checkpoint is, at most some tens of
commits back, and the log is listed from there. So the cost does not grow with the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from resources.aws import bucket_and_prefix, s3_client
from resources.errors import ResourceError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 16
_COMMIT = re.compile(r"(?:^|/)(\d{20})\.json$")
Table = tuple[str, str]
"""Layer and name."""


@dataclass(frozen=True)
class Stored:
    """A file that lies in a table's folder, whether or not a version has it. `modified` counts seconds since 1970."""

    size: int
    modified: float


class DeltaLogs:
    """The tables' folders under one lake; `s3` is made from the environment where the lake is on S3, unless given.

    Its requests are counted nowhere: the calls that are shown are those to the landing bucket and the queue.
    """

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
        behind = self.last_checkpoint(table)
        found = [int(match[1]) for name in self.log_names(table, behind or 0) if (match := _COMMIT.search(name))]
        return table, max([*found, *([] if behind is None else [behind])], default=None)

    def last_checkpoint(self, table: Table) -> int | None:
        """The version of the log's last checkpoint, as Delta has noted it; None before the first."""
        noted = self.read_entry(table, "_last_checkpoint")
        return int(json.loads(noted)["version"]) if noted else None

    def log_names(self, table: Table, since: int = 0) -> list[str]:
        """The names of the log's entries from a version on, without their folder; none where there is no table."""
        first = f"{since:020d}"
        names = (name.rsplit("/", 1)[-1] for name in self._folder.names(f"{'/'.join(table)}/_delta_log/", since))
        return sorted(name for name in names if name >= first and name[:1].isdigit())

    def read_entry(self, table: Table, name: str) -> bytes | None:
        """The bytes of an entry of the log, None where it is not there (any more)."""
        return self._folder.read(f"{'/'.join(table)}/_delta_log/{name}")

    def read_file(self, table: Table, path: str) -> bytes | None:
        """The bytes of a data file by its path under the table's folder, None where it is not there (any more)."""
        return self._folder.read(f"{'/'.join(table)}/{path}")

    def files(self, table: Table) -> set[str]:
        """The names of all files under a table's folder, without their folders: Delta gives each a name of its own."""
        return {name.rsplit("/", 1)[-1] for name, _ in self._folder.all_files(f"{'/'.join(table)}/")}

    def stored(self, table: Table) -> dict[str, Stored]:
        """All files under a table's folder but its log's, by name without folders."""
        files = self._folder.all_files(f"{'/'.join(table)}/")
        return {name.rsplit("/", 1)[-1]: stored for name, stored in files if "/_delta_log/" not in f"/{name}"}


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

    def all_files(self, folder: str) -> Iterator[tuple[str, Stored]]:
        for path in (self._root / folder).rglob("*"):
            with suppress(FileNotFoundError):
                if path.is_file() and not path.name.endswith(".crc"):  # Hadoop's checksums, which only local folders have
                    found = path.stat()
                    yield str(path.relative_to(self._root)), Stored(found.st_size, found.st_mtime)


@contextmanager
def _s3_errors(doing: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
        raise ResourceError(
            f"{doing} failed: {code or type(error).__name__}. Look at LAKE_URI, the credentials and the network."
        ) from None


class _Bucket:
    def __init__(self, lake_uri: str, s3: S3Client) -> None:
        self._bucket, self._prefix = bucket_and_prefix(lake_uri)
        self._s3 = s3

    def read(self, name: str) -> bytes | None:
        with _s3_errors("reading a file of the lake"):
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
        with _s3_errors("listing a table's log"):
            yield from [item["Key"] for page in pages for item in page.get("Contents", ())]

    def all_files(self, folder: str) -> Iterator[tuple[str, Stored]]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + folder)
        with _s3_errors("listing a table's files"):
            items = [item for page in pages for item in page.get("Contents", ())]
        for item in items:
            yield item["Key"].removeprefix(self._prefix), Stored(item["Size"], item["LastModified"].timestamp())

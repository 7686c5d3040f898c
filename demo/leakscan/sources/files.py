"""All files below a folder: logs, a Dagster home, a publisher's metrics written to a file.

Belongs here: walking and reading. Not here: formats (decode.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from demo.leakscan.decode import CONTENT, NAME, RAW, SQLITE, Facet, content
from demo.leakscan.errors import Gone, Unreadable
from demo.leakscan.plant import files
from demo.leakscan.sources.base import Documents, Source
from demo.leakscan.sqlite import file_texts

_SQLITE_MAGIC = b"SQLite format 3\x00"
_MEMORY = 256 << 20
_STEP = 4 << 20


@dataclass(frozen=True)
class FileItem:
    """One file."""

    source: str
    root: str
    relative: str
    size: int
    planted: bool = False

    @property
    def place(self) -> str:
        return f"{self.root}/{self.relative}"

    def facets(self) -> Iterator[Facet]:
        yield Facet(NAME, [self.relative.encode("utf-8", "surrogateescape")])
        path = Path(self.root) / self.relative
        try:
            with path.open("rb") as file:
                head = file.read(len(_SQLITE_MAGIC))
            if head == _SQLITE_MAGIC:
                yield Facet(RAW, _blocks(path))
                yield Facet(SQLITE, file_texts(path))
            elif self.size > _MEMORY:  # a log of that size is text
                yield Facet(RAW, _blocks(path))
            else:
                yield from content(path.read_bytes())
        except FileNotFoundError:
            raise Gone from None
        except OSError as error:
            raise Unreadable(RAW, type(error).__name__) from None


@dataclass(frozen=True)
class FilesSource:
    """The files below `root` whose path, relative to it, matches one of `patterns` (all); never through links."""

    name: str
    root: Path
    patterns: tuple[str, ...] = ("**/*",)
    planted: bool = False

    @property
    def facet_names(self) -> tuple[str, ...]:
        return (NAME, *CONTENT)

    def items(self) -> Iterator[FileItem]:
        seen: set[Path] = set()
        for pattern in self.patterns:
            for path in sorted(self.root.glob(pattern)):
                if path in seen or path.is_symlink() or not path.is_file():
                    continue
                seen.add(path)
                with suppress(FileNotFoundError):
                    relative, size = str(path.relative_to(self.root)), path.stat().st_size
                    yield FileItem(self.name, str(self.root), relative, size, self.planted)

    @contextmanager
    def plant(self, documents: Documents) -> Iterator[list[Source]]:
        with tempfile.TemporaryDirectory(prefix="leakscan-") as folder:
            root = Path(folder)
            for name, body in files(documents):
                (root / name).write_bytes(body)
            for number, text in enumerate(documents[NAME]):
                named = root / str(number) / text.decode()
                named.parent.mkdir(parents=True, exist_ok=True)
                named.touch()
            yield [FilesSource(self.name, root, planted=True)]


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_STEP):
            yield block

"""Does a process of the lake hold a key of the platform, or a way into its database? Looked for where it could be: its memory.

Belongs here: searching processes. Not here: which processes and keys those are (stack.py).

A control proves the search: something that every process of the lake must hold has to be found in each of them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_PROC = Path("/proc")
_CHUNK = 8 << 20
_REGION = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+\s*(.*)$")
_NOT_MEMORY = ("[vvar", "[vsyscall")


@dataclass
class KeySearch:
    """What was found, by process and name of the key; never a key. It passes only if each process was read and held the control."""

    processes: list[str] = field(default_factory=list)
    bytes: int = 0
    found: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def __add__(self, other: KeySearch) -> KeySearch:
        """Both, as one: it passes only if each does."""
        if not (self.processes and other.processes):
            return KeySearch()  # one of them looked at nothing
        return KeySearch(
            self.processes + other.processes, self.bytes + other.bytes,
            self.found + other.found, self.unread + other.unread, self.missed + other.missed,
        )  # fmt: skip

    @property
    def ok(self) -> bool:
        return bool(self.processes) and not (self.found or self.unread or self.missed)

    def summary(self) -> str:
        where = f"{self.bytes >> 20:,} MiB of memory" if _PROC.is_dir() else "only their environments"
        held = "; the control was found in each" if self.ok else ""
        text = f"{len(self.processes)} processes of the lake, {where} searched{held}"
        for problem, names in (("FOUND", self.found), ("not readable", self.unread), ("control missed", self.missed)):
            text += f"; {problem}: {', '.join(names)}" if names else ""
        return text


def forms_of(key: bytes) -> list[bytes]:
    """A key as it is, and as text: base64 and hex."""
    return [key, base64.b64encode(key).rstrip(b"="), key.hex().encode(), key.hex().upper().encode()]


def search_processes(processes: Mapping[str, Iterable[int]], needles: Mapping[str, list[bytes]], control: bytes) -> KeySearch:
    """Searches the memory, environments included, of each named group of process ids for the forms of each needle."""
    result = KeySearch()
    for name, pids in processes.items():
        for pid in pids:
            result.processes.append(f"{name} {pid}")
            try:
                held, size = _held(pid, {**needles, "": [control]})
            except (FileNotFoundError, psutil.NoSuchProcess):
                result.processes.pop()  # ended meanwhile
                continue
            except (OSError, psutil.AccessDenied):
                result.unread.append(f"{name} {pid}")
                continue
            result.bytes += size
            result.found += [f"{each} in {name} {pid}" for each in sorted(held - {""})]
            if "" not in held:
                result.missed.append(f"{name} {pid}")
    return result


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    with suppress(psutil.NoSuchProcess):
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return []


def _held(pid: int, needles: Mapping[str, list[bytes]]) -> tuple[set[str], int]:
    held: set[str] = set()
    size = 0
    longest = max(len(form) for forms in needles.values() for form in forms)
    # Only Linux shows the memory of another process; elsewhere its environment is what can be looked at.
    for chunk in _memory(pid, longest) if _PROC.is_dir() else _environment(pid):
        size += len(chunk)
        held |= {name for name, forms in needles.items() if name not in held and any(form in chunk for form in forms)}
    return held, size


def _environment(pid: int) -> Iterator[bytes]:
    yield "\n".join(f"{name}={value}" for name, value in psutil.Process(pid).environ().items()).encode()


def _memory(pid: int, overlap: int) -> Iterator[bytes]:
    """All that a process can read of its own memory, in chunks that overlap. Raises OSError where that is not permitted."""
    regions = [match.groups() for line in (_PROC / f"{pid}/maps").read_text().splitlines() if (match := _REGION.match(line))]
    with (_PROC / f"{pid}/mem").open("rb", buffering=0) as memory:
        for low, high, name in regions:
            if name.startswith(_NOT_MEMORY):
                continue
            start, end = int(low, 16), int(high, 16)
            while start < end:
                try:
                    memory.seek(start)
                    chunk = memory.read(min(_CHUNK, end - start))
                except (OSError, OverflowError):  # given back meanwhile, or not backed by anything
                    break
                if not chunk:
                    break
                yield chunk
                start += len(chunk) if start + len(chunk) >= end else max(len(chunk) - overlap, 1)

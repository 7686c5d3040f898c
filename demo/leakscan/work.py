"""Shares the items out among processes, and searches one.

Belongs here: processes and what comes back from them. Not here: what it means (scan.py).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.queues import SimpleQueue
from types import TracebackType

from demo.leakscan.decode import NAME
from demo.leakscan.errors import Gone, LeakScanError, Unreadable
from demo.leakscan.search import Searcher
from demo.leakscan.sources.base import Item

BATCH_ITEMS = 32
BATCH_BYTES = 8 << 20


@dataclass
class Found:
    """What one item had: bytes by facet, and counts by facet, pattern's number and form."""

    source: str
    place: str
    planted: bool
    bytes: Counter[str] = field(default_factory=Counter)
    counts: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    unread: str = ""
    gone: bool = False


class Workers:
    """Processes that search. They start when this is made, so that their imports take place while the index is built.

    They are new ones, not forks: the caller may have threads and connections. With `processes` of 1 there are none, and `run`
    searches by itself.
    """

    def __init__(self, processes: int) -> None:
        self._count = processes if processes > 1 else 0
        if self._count:
            context = multiprocessing.get_context("spawn")
            self._hand_over = context.SimpleQueue()
            self._pool = ProcessPoolExecutor(self._count, mp_context=context, initializer=_begin, initargs=(self._hand_over,))
            for _ in range(self._count):
                self._pool.submit(os.getpid)

    def run(self, items: Sequence[Item], searcher: Searcher, done: Callable[[int], None]) -> Iterator[Found]:
        """Searches the items, in any order; `done` is told how many."""
        if not self._count:
            for number, item in enumerate(items, 1):
                yield search_item(item, searcher)
                done(number)
            return
        # In a thread, as a process that cannot start would never take it.
        threading.Thread(target=self._hand_out, args=(searcher,), daemon=True).start()
        futures = [self._pool.submit(_search, batch) for batch in _batches(items)]
        finished = 0
        for future in as_completed(futures):
            try:
                results = future.result()
            except BrokenProcessPool:
                said = "A process that searches was ended from outside, perhaps for want of memory: search with fewer processes."
                raise LeakScanError(said) from None
            yield from results
            finished += len(results)
            done(finished)

    def _hand_out(self, searcher: Searcher) -> None:
        for _ in range(self._count):
            self._hand_over.put(searcher)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._count:
            self._pool.shutdown(wait=True, cancel_futures=True)


def search_item(item: Item, searcher: Searcher) -> Found:
    """Reads and searches one item to its end, or to where it cannot be read."""
    found = Found(item.source, item.place, item.planted)
    try:
        for facet in item.facets():
            counts = searcher.search(_counted(facet.blocks, found.bytes, facet.name), encodings=not facet.opened)
            found.counts.update({(facet.name, number, form): times for (number, form), times in counts.items()})
            if facet.name == NAME and counts:
                digest = hashlib.sha256(item.place.encode("utf-8", "surrogateescape")).hexdigest()
                found.place = f"{item.source}: the one whose name, which holds the value, has the SHA-256 {digest[:16]}"
    except Gone:
        found.gone = True
    except Unreadable as error:
        found.unread = str(error)
    return found


def _counted(blocks: Iterable[bytes], sizes: Counter[str], facet: str) -> Iterator[bytes]:
    sizes[facet] += 0
    for block in blocks:
        sizes[facet] += len(block)
        yield block


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Large items first, so that the processes end together."""
    batch: list[Item] = []
    size = 0
    for item in sorted(items, key=lambda item: item.size, reverse=True):
        batch.append(item)
        size += item.size
        if len(batch) == BATCH_ITEMS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


_hand_over: SimpleQueue[Searcher] | None = None
_searcher: Searcher | None = None


def _begin(hand_over: SimpleQueue[Searcher]) -> None:
    """Ctrl-C is the parent's to handle; when the parent is gone, so are we."""
    global _hand_over
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _hand_over = hand_over
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _search(items: list[Item]) -> list[Found]:
    global _searcher
    if _searcher is None:
        if _hand_over is None:
            raise RuntimeError("the process was not begun")
        _searcher = _hand_over.get()
    return [search_item(item, _searcher) for item in items]

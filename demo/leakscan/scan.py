"""The scan: plants the controls, reads every item of every source in several processes, and draws up the report.

Belongs here: the order of these. Not here: which sources there are (everything.py), the search (search.py).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from demo.leakscan.controls import Controls
from demo.leakscan.needles import Needles
from demo.leakscan.report import Hit, ScanReport
from demo.leakscan.search import Searcher
from demo.leakscan.sources.base import Source
from demo.leakscan.work import Found, Workers

Progress = Callable[[str, int, int], None]


def scan(sources: Sequence[Source], needles: Needles, *, processes: int = 2, progress: Progress | None = None) -> ScanReport:
    """Searches everything that the sources hold for the needles, and for a control in each kind of place and form.

    `processes` of 1 reads in this one. `progress(what, done, total)` is called now and then. Raises what a source raises when it cannot
    be listed at all (no such bucket); what cannot be read to its end is in the report.
    """
    report = ScanReport(
        values_searched=needles.searched,
        left_out=needles.left_out,
        parts_left_out=needles.parts_left_out,
        patterns=len(needles.patterns),
        required=needles.required,
    )
    with Workers(processes) as workers, ExitStack() as planted:
        with _timed(report, "index"):
            places = [(source.name, facet) for source in sources for facet in source.facet_names]
            controls = Controls.for_places(dict.fromkeys(places), needles.digits)
            searched = needles + Needles.of(controls.values, digits=needles.digits)
            searcher = Searcher(searched.patterns, searched.exact)
        report.controls.update((control.source, control.facet) for control in controls.expected)
        with _timed(report, "controls"):
            read = list(sources)
            for source in sources:
                read += planted.enter_context(source.plant(controls.documents.get(source.name, {})))
        with _timed(report, "read and search"):
            items = [item for source in read for item in source.items()]
            results = workers.run(items, searcher, _told(progress, len(items)))
            _account(report, results, searched, controls, len(needles.patterns))
    return report


def _account(report: ScanReport, results: Iterator[Found], searched: Needles, controls: Controls, own: int) -> None:
    missed = dict(enumerate(controls.expected))
    hits: defaultdict[tuple[str, str, str, str, str], int] = defaultdict(int)
    for found in results:
        report.objects[found.source] += not found.planted
        report.gone[found.source] += found.gone
        if found.unread:
            report.unread.append(f"{found.place} ({found.unread})")
        for facet, size in found.bytes.items():
            report.facets[found.source, facet] += not found.planted
            report.bytes[found.source, facet] += 0 if found.planted else size
        for (facet, number, form), times in found.counts.items():
            labels = searched.labels[number]
            if number < own:
                columns = " or ".join(dict.fromkeys(column for column, _ in labels))
                parts = " or ".join(dict.fromkeys(part for _, part in labels if part))
                said = f"{form}, {parts}" if parts else form
                hits[found.source, facet, found.place, columns, said] += times
                continue
            for column, part in labels:
                index = int(column.rsplit(" ", 1)[1])
                control = controls.expected[index]
                if (control.source, control.facet, control.form, control.part) == (found.source, facet, form, part):
                    missed.pop(index, None)
    report.found = [Hit(*hit, times) for hit, times in sorted(hits.items())]
    report.missed = [str(control) for control in missed.values()]


def _told(progress: Progress | None, total: int) -> Callable[[int], None]:
    return lambda done: progress("objects searched", done, total) if progress else None


@contextmanager
def _timed(report: ScanReport, phase: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    report.seconds[phase] = time.monotonic() - began

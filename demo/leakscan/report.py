"""What a scan found. Belongs here: counts and how they are told. Not here: any value that was searched for.

A place is named by its source and facet ("landing: gzip"); a hit by the object, the column whose value was found, and the form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

CLEAN, LEAK, INCOMPLETE = 0, 1, 2
_SHOWN = 20


@dataclass(frozen=True)
class Hit:
    """A value of `columns` was found `times` in `place`, one of the objects of `source`, in `form`."""

    source: str
    facet: str
    place: str
    columns: str
    form: str
    times: int

    def __str__(self) -> str:
        return f"{self.columns} in {self.place} ({self.facet}; {self.form}; {self.times} ×)"


@dataclass
class ScanReport:
    """The account of a scan. It passes only if nothing was found, all was read, and all controls were found."""

    values_searched: Counter[str] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    parts_left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    patterns: int = 0
    required: tuple[str, ...] = ()
    objects: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)
    facets: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes: Counter[tuple[str, str]] = field(default_factory=Counter)
    found: list[Hit] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    controls: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def hits(self) -> int:
        """How many leaks there are: by object, column and form."""
        return len(self.found)

    @property
    def ok(self) -> bool:
        """Nothing was found, and something would have been."""
        return self.exit_code == CLEAN

    @property
    def uncontrolled(self) -> list[str]:
        """Places that were read although no control proves that a value would be found there."""
        return sorted(f"{source}: {facet}" for source, facet in self.facets if not self.controls[source, facet])

    @property
    def unsearched(self) -> list[str]:
        """Columns of which nothing is searched for, though they hold what must not leave."""
        return sorted(column for column in self.required if not self.values_searched[column])

    @property
    def incomplete(self) -> list[str]:
        """Why nobody may say that there is no leak, in sentences."""
        reasons = [f"the control was not found: {control}" for control in self.missed]
        reasons += [f"not read to its end: {place}" for place in self.unread]
        reasons += [f"no control proves the search of {place}" for place in self.uncontrolled]
        reasons += [
            f"no value of {column} can be searched for: plant one that can (demo/platform/canaries.py)"
            for column in self.unsearched
        ]
        if not self.patterns:
            reasons.append("no value was searched for")
        return reasons

    @property
    def exit_code(self) -> int:
        """1 for a leak, 2 where there may be one that the scan cannot see, else 0."""
        if self.found:
            return LEAK
        return INCOMPLETE if self.incomplete else CLEAN

    def as_json(self) -> dict[str, Any]:
        """All of it, for a machine."""
        places = sorted(set(self.facets) | set(self.controls))
        return {
            "leaks": self.hits,
            "exit_code": self.exit_code,
            "incomplete": self.incomplete,
            "needles": {
                "values": sum(self.values_searched.values()) + sum(self.left_out.values()),
                "patterns": self.patterns,
                "searched": dict(sorted(self.values_searched.items())),
                "left_out": _by_reason(self.left_out),
                "parts_left_out": _by_reason(self.parts_left_out),
            },
            "places": [
                {
                    "source": source,
                    "facet": facet,
                    "objects": self.facets[source, facet],
                    "bytes": self.bytes[source, facet],
                    "controls": self.controls[source, facet],
                    "hits": sum(hit.source == source and hit.facet == facet for hit in self.found),
                }
                for source, facet in places
            ],
            "gone": dict(self.gone),
            "hits": [vars(hit) for hit in self.found],
            "seconds": {phase: round(seconds, 2) for phase, seconds in self.seconds.items()},
        }

    def summary(self) -> str:
        """One line: how much was searched, for how many values, and what proves it."""
        if self.incomplete:
            return f"the scan proves nothing: {self.incomplete[0]}"
        objects, size = sum(self.objects.values()), sum(self.bytes.values())
        return (
            f"{sum(self.values_searched.values()):,} sensitive values looked for in {objects:,} objects, {size / 1e6:,.0f} MB decoded; "
            f"all {sum(self.controls.values()):,} planted controls found; {sum(self.left_out.values()):,} values left out by rule"
        )

    def lines(self) -> Iterator[str]:
        """The same for a person."""
        searched, left_out = sum(self.values_searched.values()), sum(self.left_out.values())
        yield f"Searched for {searched:,} sensitive values by {self.patterns:,} patterns; left out {left_out:,}:"
        for (column, reason), times in sorted(self.left_out.items()):
            yield f"  {times:>9,}  {column}: {reason}"
        for (column, reason), times in sorted(self.parts_left_out.items()):
            yield f"  {times:>9,}  {column}, a part of the value only: {reason}"
        yield f"{'in':<28}{'objects':>9}{'MB read':>10}{'controls':>10}{'hits':>7}"
        for source in sorted({source for source, _ in self.controls} | set(self.objects)):
            size = sum(count for (name, _), count in self.bytes.items() if name == source)
            controls = sum(count for (name, _), count in self.controls.items() if name == source)
            hits = sum(hit.source == source for hit in self.found)
            yield f"{source:<28}{self.objects[source]:>9,}{size / 1e6:>10.1f}{controls:>10,}{hits:>7,}"
        for reason in self.incomplete[:_SHOWN]:
            yield f"The scan proves nothing: {reason}"
        for hit in self.found[:_SHOWN]:
            yield f"LEAK: {hit}"
        for kind, count in (("reasons", len(self.incomplete)), ("leaks", self.hits)):
            if count > _SHOWN:
                yield f"… and {count - _SHOWN:,} more {kind}; --json has all."
        yield f"leaks: {self.hits}"


def _by_reason(counts: Counter[tuple[str, str]]) -> list[dict[str, str | int]]:
    return [{"column": column, "reason": reason, "values": times} for (column, reason), times in sorted(counts.items())]

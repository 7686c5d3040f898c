"""Generated lives of many keys, and what silver and history must say of them: an oracle in plain Python.

Belongs here: events, their arrival, the oracle. Not here: Spark. Keys are independent of each other, so one set of events holds many cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from lake_assets.transforms.fields import EntityRule
from publisher import wire
from tests.unit.lake.make_events import START, event, line, signed

VERSIONS = ("0.9.0", "1.9.0", "1.10.0", "10.0.0")
"""As text they would come in another order."""

OPS = ("insert", "update", "snapshot", "delete", "erase")
BATCHES = 3
LONGEST = 6
Built = dict[str, Any]
Rows = dict[Any, tuple[Any, ...]]


@dataclass(frozen=True)
class Step:
    """A change of a key: `minutes` around the last one's time, which may step back or stand; in which batches it arrives, each a copy.

    `other` is a second content of the same position, under another version of the contract.
    """

    op: str
    minutes: int = 60
    arrives: tuple[int, ...] = (0,)
    other: tuple[str, str] | None = None


CASES: dict[str, tuple[Step, ...]] = {
    "a delete that comes before its insert": (Step("insert", arrives=(2,)), Step("delete", arrives=(0,))),
    "a delete that comes twice, and late": (Step("insert"), Step("update"), Step("delete", arrives=(1, 2))),
    "an update from before a delete, after it": (Step("insert"), Step("update", arrives=(2,)), Step("delete", arrives=(1,))),
    "deleted and inserted again, in order": (Step("insert"), Step("delete", arrives=(1,)), Step("insert", arrives=(2,))),
    "inserted again before the delete is known": (Step("insert"), Step("delete", arrives=(2,)), Step("insert", arrives=(1,))),
    "deleted, inserted and deleted again": (
        Step("delete", arrives=(1,)),
        Step("insert", arrives=(0,)),
        Step("delete", arrives=(2,)),
    ),
    "all at one time": (Step("insert", 0), Step("update", 0, (2,)), Step("update", 0, (1,)), Step("delete", 0, (1,))),
    "a clock that steps back": (Step("insert"), Step("update", -300, (1,)), Step("update", 60, (0,))),
    "a snapshot beside an update": (
        Step("insert"),
        Step("snapshot", 0, (1,)),
        Step("update", 0, (1,)),
        Step("snapshot", 0, (0, 2)),
    ),
    "a snapshot of a key that is gone": (Step("delete", arrives=(1,)), Step("snapshot", arrives=(0,))),
    "a delete of a key that nobody knew": (Step("erase"),),
    "one position, two contents, in two batches": (Step("update", other=("update", "1.9.0"), arrives=(0, 2)),),
    "one position, a delete and an update": (Step("insert"), Step("update", other=("delete", "10.0.0"), arrives=(1,))),
}
"""Always among the lives, whatever Hypothesis draws beside them."""

_ARRIVALS = st.lists(st.integers(0, BATCHES - 1), min_size=1, max_size=3).map(tuple)
_OTHER = st.none() | st.none() | st.none() | st.tuples(st.sampled_from(("update", "delete")), st.sampled_from(VERSIONS))
_STEPS = st.builds(Step, st.sampled_from(OPS), st.sampled_from((0, 0, 60, 60, 180, -120)), _ARRIVALS, _OTHER)


def lives(at_least: int, at_most: int) -> st.SearchStrategy[list[list[Step]]]:
    """Strategy of so many keys' lives."""
    return st.lists(st.lists(_STEPS, min_size=1, max_size=LONGEST), min_size=at_least, max_size=at_most)


def batches_of(rule: EntityRule, drawn: Iterable[Sequence[Step]]) -> list[list[Built]]:
    """The events of all lives, with their repeats, in the batches in which they arrive."""
    arriving: list[list[Built]] = [[] for _ in range(BATCHES)]
    for key, life in enumerate(drawn):
        at = START
        for number, step in enumerate(life):
            at += timedelta(minutes=step.minutes)
            seq = 1 + key + 10_000 * number  # positions of all keys are interleaved, as a platform's are
            made = [event(rule, key, seq, op=step.op, at=at)]
            if step.other is not None:
                op, version = step.other
                made.append({**event(rule, key, seq, op=op, salt=3, at=at), "contract": version})
            for copy, batch in enumerate(step.arrives):
                arriving[batch] += made if copy == 0 else made[::-1]
    return arriving


def order(built: Built) -> tuple[Any, ...]:
    """Position, then version, then digest: the higher holds."""
    return built["seq"], [int(part) for part in built["contract"].split(".")], digest(built)


def digest(built: Built) -> int:
    return signed(wire.digest_of(line(built)))


def is_delete(built: Built) -> bool:
    return built["op"] in ("delete", "erase")


def expected_silver(rule: EntityRule, events: Iterable[Built]) -> Rows:
    """Key → its row: the record's values, then position, person, time, version, digest."""
    best: dict[str, Built] = {}
    for built in events:
        if built["key"] not in best or order(built) > order(best[built["key"]]):
            best[built["key"]] = built
    return {
        key: (*record(rule, b), b["seq"], b["subject"], micros(b), b["contract"], digest(b))
        for key, b in best.items()
        if not is_delete(b)
    }


def expected_tombstones(events: Iterable[Built]) -> dict[str, int]:
    buried: dict[str, int] = {}
    for built in filter(is_delete, events):
        buried[built["key"]] = max(built["seq"], buried.get(built["key"], 0))
    return buried


def expected_history(rule: EntityRule, events: Iterable[Built]) -> Rows:
    """(Key, position) → its row: the record's values, operation, person, time, version, digest, then the span."""
    best: dict[tuple[str, int], Built] = {}
    for built in events:
        at = built["key"], built["seq"]
        if at not in best or order(built) > order(best[at]):
            best[at] = built
    rows: Rows = {}
    for key in {key for key, _ in best}:
        mine = [best[at] for at in sorted(best) if at[0] == key]
        starts = [max(map(micros, mine[: n + 1])) for n in range(len(mine))]
        for n, b in enumerate(mine):
            after = n + 1 < len(mine)
            span = (
                mine[n + 1]["seq"] if after else None,
                starts[n],
                starts[n + 1] if after else None,
                not after and not is_delete(b),
            )
            rows[key, b["seq"]] = (*record(rule, b), b["op"], b["subject"], micros(b), b["contract"], digest(b), *span)
    return rows


def broken(history: Rows) -> list[str]:
    """What is wrong with a history in itself, whatever the events were: gaps, overlaps, second current rows."""
    found = []
    for key in {key for key, _ in history}:
        mine = [(seq, *history[key, seq][-4:]) for seq in sorted(seq for k, seq in history if k == key)]
        for here, after in zip(mine, [*mine[1:], None], strict=True):
            _, seq_to, valid_from, valid_to, _ = here
            if (seq_to, valid_to) != ((after[0], after[2]) if after else (None, None)):
                found.append("a gap or an overlap")
            if valid_to is not None and valid_to < valid_from:
                found.append("a negative span")
        current = [seq for seq, *_, is_current in mine if is_current]
        if len(current) > 1 or (current and current != [mine[-1][0]]):
            found.append("a current row that is not the last, or two of them")
    return found


def record(rule: EntityRule, built: Built) -> list[Any]:
    """The record's values as Spark gives them; nothing but nulls of a delete."""
    values = built.get("record") or {}
    return [
        date.fromisoformat(values[field.name]) if field.type == "date" and values.get(field.name) else values.get(field.name)
        for field in rule.fields
    ]


def micros(built: Built) -> int:
    at = datetime.fromisoformat(built["committed_at"])
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)

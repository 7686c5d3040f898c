"""Objects as Firehose lands them, full of events that the contracts allow: the same for the same seed.

Belongs here: canonical lines from the contracts' domains, packed into gzip objects. Not here: where they are put (`site.py`).

No relay could release a million events in the time that a benchmark has, so lines are made of the rules' domains; a sample of each entity is
held against the lake's strict validator, and must be byte for byte what the publisher would write.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.publisher.site import CONTRACTS
from lake_assets.transforms.fields import EntityRule, FieldRule, Rules
from lake_assets.transforms.rules import rules_of
from lake_assets.transforms.validate import Accepted, judge_line
from publisher.contracts import load_contracts
from publisher.contracts.model import PSEUDONYM_PATTERN

SHARES = {"messages": 26, "payments": 25, "debts": 20, "customers": 12, "plans": 10, "circumstances": 4, "creditors": 3}
"""Of a hundred events, how many are of each entity."""

EVENTS_A_KEY = 3
HOUR = "raw/2026/11/24/04/"
SAMPLE = 200
_LETTERS = "ABCDEFGHJKLMNPRSTUWYZ"


@dataclass(frozen=True)
class Load:
    """Some objects of some events. `first` is the position of the first event, so that loads continue each other; `beside` names the load
    in whose folder they lie, where they are an increment to it."""

    name: str
    objects: int
    events: int
    first: int = 1
    beside: str = ""

    @property
    def folder(self) -> str:
        """Under which all of them lie."""
        return f"{HOUR}{self.beside or self.name}"

    @property
    def keys(self) -> list[str]:
        """The objects' keys in the bucket, as Firehose names them."""
        return [
            f"{self.folder}/{self.name}-1-2026-11-24-04-{n // 3600 % 60:02}-{n // 60 % 60:02}-{n % 60:02}-{n:06}.gz"
            for n in range(self.objects)
        ]


@cache
def rules() -> Rules:
    return rules_of(load_contracts(CONTRACTS))


def write_objects(load: Load, folder: Path, *, keys_from: int) -> list[Path]:
    """The load's objects as files, made unless they are there. Keys are drawn from so many rows an entity."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / Path(key).name for key in load.keys]
    missing = [(n, file) for n, file in enumerate(files) if not file.exists()]
    if not missing:
        return files
    # Not forked: this process has the threads of Spark's client, and a fork waits for them for ever.
    with ProcessPoolExecutor(2, get_context("forkserver")) as pool:
        list(pool.map(_write, *zip(*((load, n, file, keys_from) for n, file in missing), strict=True)))
    return files


def _write(load: Load, number: int, file: Path, keys_from: int) -> None:
    low, high = (load.events * n // load.objects for n in (number, number + 1))
    lines = b"".join(
        line + b"\n" for line in event_lines(rules(), f"{load.name}/{number}", load.first + low, high - low, keys_from)
    )
    partial = file.with_suffix(".partial")
    partial.write_bytes(gzip.compress(lines, 6, mtime=0))
    partial.rename(file)


def event_lines(of: Rules, seed: str, first: int, count: int, keys_from: int) -> Iterator[bytes]:
    """So many canonical lines, positions rising from `first`; of an entity's rows as many differ as its share of `keys_from`."""
    rng = random.Random(seed)
    entities = rng.choices(list(SHARES), list(SHARES.values()), k=count)
    rows = {name: max(1, keys_from * share // 100) for name, share in SHARES.items()}
    made = {name: _Maker(of[name], rows[name], rows["customers"]) for name in SHARES}
    for seq, entity in enumerate(entities, first):
        yield made[entity].line(seq, rng).encode()


def verify(of: Rules) -> None:
    """Raises ValueError if the strict validator would not take a line, or would write it otherwise."""
    for raw in event_lines(of, "sample", 1, SAMPLE * len(SHARES), 1000):
        (outcome,) = judge_line(raw, of)
        if not isinstance(outcome, Accepted) or outcome.line.encode() != raw:
            raise ValueError(
                f"a made line of {outcome.entity} is not canonical: {getattr(outcome, 'reason', 'written otherwise')}"
            )


class _Maker:
    """Writes the lines of one entity: some are inserts, most are updates of one of its rows, a few are deletes."""

    def __init__(self, rule: EntityRule, rows: int, people: int) -> None:
        self._rule = rule
        self._rows = rows
        self._people = people
        self._values = [(f',"{field.name}":', _value(field, people)) for field in rule.fields[1:]]
        self._version = rule.versions[-1]

    def line(self, seq: int, rng: random.Random) -> str:
        rule, chance = self._rule, rng.random()
        op = "delete" if chance < 0.02 else "insert" if chance < 0.35 else "update"
        key = pseudonym(rule.entity, rng.randrange(self._rows))
        subject = f',"subject":"{pseudonym("customers", rng.randrange(self._people))}"' if rule.has_subject else ""
        head = (
            f'{{"entity":"{rule.entity}","op":"{op}","key":"{key}","seq":{seq}{subject}'
            f',"committed_at":"2026-11-24T{seq >> 16 & 3:02}:00:00Z","contract":"{self._version}"'
        )
        if op == "delete":
            return head + "}"
        record = "".join([name + value(rng) for name, value in self._values])
        return f'{head},"record":{{"{rule.fields[0].name}":"{key}"{record}}}}}'


def pseudonym(of: str, number: int) -> str:
    """The code of a row, as random as a real one, and as Spark makes it in `synthetic.py`."""
    return hashlib.md5(f"{of}/{number}".encode(), usedforsecurity=False).hexdigest()


def _value(field: FieldRule, people: int) -> Callable[[random.Random], str]:
    """Draws a value of the field's domain, as JSON; an optional one is null now and then."""
    if field.pattern == PSEUDONYM_PATTERN:
        return lambda rng: f'"{pseudonym("customers", rng.randrange(people))}"'
    drawn = list(map(json.dumps, domain(field)))
    drawn += [] if field.required else ["null"] * max(1, len(drawn) // 5)
    return lambda rng: drawn[int(rng.random() * len(drawn))]


def domain(field: FieldRule) -> list[Any]:
    """Some of the values that the rule lets through: all where they are few."""
    if field.type == "boolean":
        return [False, True]
    if field.type == "integer":
        step, low, high = field.step or 1, field.minimum or 0, field.maximum if field.maximum is not None else 10**9
        return [low + step * (n * 7919 % ((high - low) // step + 1)) for n in range(1000)]
    if field.type == "date":
        days = [f"20{n % 27:02}-{1 + n % 12:02}-{1 + n % 28:02}" for n in range(700)]
        return [day for day in days if field.pattern is None or re.fullmatch(field.pattern, day)]
    if field.values is not None:
        return list(field.values)
    codes = [*(f"C{n:03}" for n in range(1000)), *(a + b for a in _LETTERS for b in ("", *_LETTERS))]
    return [code for code in codes if re.fullmatch(str(field.pattern), code)]

"""A lake in which some persons are everywhere, and are erased.

Belongs here: that lake, taking what landed through it, and what it holds. Not here: the story, what is proven of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lake_assets.assets.one_batch import Done, take_through
from lake_assets.completeness.verdicts import compare, read_manifests
from lake_assets.erasure import objects
from lake_assets.erasure.codes import Codes
from lake_assets.erasure.proof import Searched
from lake_assets.erasure.receipt import Receipt
from lake_assets.erasure.run import erase
from lake_assets.gold.engine import build
from lake_assets.gold.load import load_gold
from lake_assets.raw.batches import finished_below, oldest_waiting
from lake_assets.raw.ledger import register
from lake_assets.silver.history import update_history
from lake_assets.transforms.fields import Rules
from publisher import wire
from publisher.contracts import Contract, load_contracts
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import START, event, line, pseudonym

FIRST, SECOND, OTHER, LATER = 1, 2, 3, 4
"""Persons by number; the first two are erased, the last one at the end."""

DEBTS, MOVED, CREDITOR = 100, 150, 402

ERASED = (FIRST, SECOND, DEBTS + FIRST, DEBTS + SECOND, CREDITOR)
"""Persons and rows of which nothing may stay."""

Rows = list[tuple[Any, ...]]


def about(rules: Rules, entity: str, key: int, person: int | None, seq: int, op: str = "insert") -> bytes:
    """An event whose codes are those of its row and its person; a delete may name no person."""
    built = event(rules[entity], key, seq, op=op)
    if "subject" in built:
        built["subject"] = None if person is None else pseudonym(person)
    if "customer_id" in built.get("record", {}):
        built["record"]["customer_id"] = pseudonym(person or 0)
    return line(built)


@dataclass
class Story:
    lake: Lake
    contracts: dict[str, Contract]
    rules: Rules
    before: dict[str, Rows] = field(default_factory=dict)
    expected: dict[str, Rows] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)
    found_before: Searched = field(default_factory=Searched)
    receipt: Receipt | None = None
    codes: Codes = field(default_factory=lambda: Codes({}))
    died_at: list[str] = field(default_factory=list)
    proven: list[str] = field(default_factory=list)

    def ingest(self) -> Done:
        """Takes what has landed to silver and history."""
        done = Done()
        register(self.lake.tables, self.lake.landing, self.lake.notifications)
        while (batch := oldest_waiting(self.lake.tables)) is not None:
            opened: Any = SimpleNamespace(tables=self.lake.open)
            take_through(opened, self.lake.landing, self.rules, self.contracts.values(), batch, done)
            assert done.conserved
        for contract in self.contracts.values():
            update_history(self.lake.tables, contract, finished_below(self.lake.tables))
        return done

    def manifest(self, low: int, high: int, lines: list[bytes]) -> list[bytes]:
        return [
            wire.manifest(
                of=entity, seq_from=low, seq_to=high, revision=0, closed_at=START + timedelta(minutes=high),
                events=len(mine := {each for each in lines if json.loads(each)["entity"] == entity}), dead_letters=0,
                digest=sum(map(wire.digest_of, mine)), backfill_due=False,
            ).line
            for entity in self.contracts
        ]  # fmt: skip

    def erase(self, step: Callable[[str], None] = lambda _: None) -> Receipt | None:
        return erase(self.lake.open, self.lake.uri, self.lake.landing, self.contracts, self.build_gold, step)

    def build_gold(self) -> Iterable[str]:
        there = {f"silver/{name}" for entity in self.contracts for name in (entity, f"{entity}_history")}
        for table in load_gold(load_contracts(Path("contracts"))).values():
            if table.name == "portfolio" and set(table.dependencies) <= there:
                build(table, self.lake.tables.spark, self.lake.tables.lake_uri)
                yield table.name

    def rows(self, layer: str, name: str, without: tuple[str, ...] = ()) -> Rows:
        frame = self.lake.tables.read(layer, name)
        kept = frame.drop(*without)
        return sorted((tuple(row) for row in kept.collect()), key=repr)

    def everything(self) -> dict[str, Rows]:
        return {f"{layer}/{name}": self.rows(layer, name) for layer, name in self.tables()}

    def tables(self) -> list[tuple[str, str]]:
        return [("bronze", e) for e in self.contracts] + [("silver", n) for e in self.contracts for n in (e, f"{e}_history")]

    def bodies(self) -> dict[str, bytes]:
        """All that can be read in the landing bucket now, unpacked."""
        return {each.key: objects.text_of(self.lake.landing, each.key, None) or b"" for each in self.lake.landing.list()}


def theirs(text: bytes) -> bool:
    return any(pseudonym(n).encode() in text for n in ERASED)


def verdicts(told: Story, *, erased: bool = False) -> list[str]:
    """All manifests, compared anew."""
    manifests = read_manifests(told.lake.tables, above=0, after_batch=0, reopened=())
    return sorted(each.verdict for each in compare(told.lake.tables, manifests, erased=erased))

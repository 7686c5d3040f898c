"""Which tables a rollback brings back, by the lane whose runs write them.

Belongs here: the lists, and what is left out. Not here: versions (`checkpoints.py`).

Left out, whatever is rolled back: the ledger (no object is lost: its batches wait again), the progress (it is set, not restored), contracts, checkpoints, what gold has ever
shown (what people have seen stays seen), and all that an erasure has written: of `ops/adjustments` goes only what a load has noted.
"""

from __future__ import annotations

from collections.abc import Iterable

from resources.delta_log import Table

BY_BATCH = ("manifests", "risk", "states", "quarantine", "batches", "conflicts")
"""Tables of `ops` whose rows are of one batch each, as bronze's are."""


def ingest_tables(entities: Iterable[str]) -> list[Table]:
    """What an ingest run writes, and the verdicts on it."""
    entities = list(entities)
    ops = [("ops", name) for name in (*BY_BATCH, "tombstones", "completeness")]
    return ops + [("bronze", entity) for entity in entities] + [("silver", entity) for entity in entities]


def history_tables(entities: Iterable[str]) -> list[Table]:
    return [("silver", f"{entity}_history") for entity in entities]


def gold_tables(names: Iterable[str]) -> list[Table]:
    return [("gold", name) for name in names]

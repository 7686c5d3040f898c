"""Batches taken through a test's lake as a run takes them, and its tables as rows that can be compared.

Belongs here: what the tests of replay and rollback share. Not here: events (tests/unit/lake/make_events.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lake_assets.assets.one_batch import Done, take_through
from lake_assets.raw.batches import finished_below, oldest_waiting
from lake_assets.raw.ledger import register
from lake_assets.silver.history import update_histories
from lake_assets.transforms.fields import Rules
from publisher.contracts import Contract
from resources.lake import LakeResource
from resources.spark import SparkConnectResource
from resources.tables import LakeTables
from tests.integration.lake.conftest import Lake

Rows = Counter[tuple[Any, ...]]
VOLATILE = {"finished_at", "quarantined_at", "found_at"}
"""Times of the lake's own work."""


def resource(lake: Lake) -> LakeResource:
    return LakeResource(spark=SparkConnectResource(remote=lake.remote), uri=lake.uri)


def take_all(lake: Lake, rules: Rules, contracts: Mapping[str, Contract]) -> list[int]:
    """Registers what has landed and takes every batch that waits to silver; their numbers."""
    register(lake.tables, lake.landing, lake.notifications)
    done = Done()
    while (batch := oldest_waiting(lake.tables)) is not None:
        take_through(resource(lake), lake.landing, rules, contracts.values(), batch, done)
        assert done.conserved
    return [each.batch for each in done.bronze]


def bring_history(lake: Lake, contracts: Mapping[str, Contract]) -> list[int]:
    """Brings every history up to date; how many batches that were loaded again each has looked at."""
    moved = {each.entity: each.again for each in update_histories(lake.open, contracts.values(), finished_below(lake.tables))}
    return [moved[entity] for entity in contracts]


def contents(tables: LakeTables, *names: tuple[str, str]) -> dict[str, Rows]:
    """The rows of tables, as multisets, in one statement."""
    union = " UNION ALL ".join(
        f"SELECT '{layer}/{name}' AS source, to_json(struct({', '.join(columns)}), map('ignoreNullFields', 'false')) AS row FROM {tables.sql_name(layer, name)}"
        for layer, name in names
        for columns in [[f"`{c}`" for c in tables.read(layer, name).columns if c not in VOLATILE]]
    )
    found: dict[str, Rows] = {f"{layer}/{name}": Counter() for layer, name in names}
    for row in tables.spark.sql(union).collect():
        found[row.source][row.row] += 1
    return found


def names_of(contracts: Mapping[str, Contract], *, history: bool = True) -> list[tuple[str, str]]:
    """Every table that follows from the events."""
    ops = [("ops", name) for name in ("manifests", "risk", "states", "quarantine", "batches", "tombstones", "conflicts")]
    layers = [(layer, entity) for layer in ("bronze", "silver") for entity in contracts]
    return ops + layers + ([("silver", f"{entity}_history") for entity in contracts] if history else [])

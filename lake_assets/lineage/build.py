"""Builds the graph of columns from what is written down anyway: the contracts and the gold SQL.

Belongs here: the edges between layers. Not here: how a query's columns are found (gold/reads.py), words about them (words.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from lake_assets.gold.model import GoldTable, SmallestCell
from lake_assets.gold.schema import TYPES
from lake_assets.lineage.graph import Asset, Column, ColumnRef, Edge, Lineage
from lake_assets.transforms import schemas
from publisher.contracts import Contract

NEWEST = "the newest event of each key"
EVERY = "every change, one row each"
HISTORY_FROM = {
    "_seq_from": ("_seq", "the change that began the state"),
    "_seq_to": ("_seq", "the next change of the key"),
    "_valid_from": ("_committed_at", "the latest time up to the change"),
    "_valid_to": ("_committed_at", "the time of the next change"),
    "_is_current": ("_seq", "whether no later change is there"),
}
"""What history makes of the envelope: its columns that bronze does not have under the same name."""


def build_lineage(contracts: Mapping[str, Contract], gold: Mapping[str, GoldTable]) -> Lineage:
    """Every column of every layer, and every way between them."""
    entities = list(contracts.values())
    assets: list[Asset] = []
    columns: list[Column] = []
    edges: list[Edge] = []
    for contract in entities:
        assets.append(
            Asset(
                f"platform/{contract.entity}",
                f"The platform's own table {contract.table}. The data team has no access to it.",
                contract.owner,
            )
        )
        columns += _platform_columns(contract)
    for contract in entities:
        asset = f"bronze/{contract.entity}"
        assets.append(
            Asset(
                asset,
                contract.description,
                contract.owner,
                (("contract", contract.version), ("holds", "every event, as it was released")),
            )
        )
        columns += _lake_columns(contract, asset, schemas.bronze(contract))
        edges += _released(contract, contracts)
    for contract in entities:
        for asset, layout, holds in (
            (f"silver/{contract.entity}", schemas.silver(contract), "the current rows"),
            (f"silver/{contract.entity}_history", schemas.history(contract), "every state a row had"),
        ):
            assets.append(Asset(asset, contract.description, contract.owner, (("contract", contract.version), ("holds", holds))))
            columns += _lake_columns(contract, asset, layout)
            edges += _refined(contract, asset, layout)
    for table in gold.values():
        header = table.header
        notes = (
            ("fresh within", period(header.freshness)),
            ("one row for each", ", ".join(header.grain)),
            ("smallest cell", cell_text(header.smallest_cell, header.no_cell_because)),
        )
        assets.append(Asset(table.key, header.description, header.owner, notes))
        columns += [Column(ColumnRef(table.key, each.name), each.type, each.description) for each in table.columns]
        edges += _read(table)
    return Lineage(tuple(assets), {column.ref: column for column in columns}, tuple(edges))


def _platform_columns(contract: Contract) -> Iterator[Column]:
    for column in contract.columns.values():
        yield Column(
            ColumnRef(f"platform/{contract.entity}", column.name), column.physical_type or column.type, column.description,
            column.classification, column.encrypted, column.name in contract.withheld,
            told=contract.precision if contract.told_by_envelope(column) else "",
        )  # fmt: skip


def _lake_columns(contract: Contract, asset: str, table: schemas.Columns) -> Iterator[Column]:
    fields = {field.name: field for field in contract.fields}
    for name, kind, description in table:
        classification = fields[name].classification if name in fields else ""
        yield Column(ColumnRef(asset, name), TYPES[kind], description, classification, technical=name not in fields)


def _released(contract: Contract, contracts: Mapping[str, Contract]) -> Iterator[Edge]:
    """From the platform to bronze: the contract's derivations, and the key and person in the envelope."""
    asset, key = f"bronze/{contract.entity}", contract.fields[0].derivation
    entity_of = {each.table: each.entity for each in contracts.values()}
    for field in contract.fields:
        for source in field.sources:
            table, _, column = source.rpartition(".")
            origin = ColumnRef(f"platform/{entity_of[table]}", column)
            yield Edge(origin, ColumnRef(asset, field.name), "value", (field.derivation.text,), field.derivation.reveals)
    yield Edge(
        ColumnRef(f"platform/{contract.entity}", contract.key_column), ColumnRef(asset, "_key"), "value", (key.text,), key.reveals
    )
    for index, step in enumerate(contract.subject):
        last = index == len(contract.subject) - 1
        origin = ColumnRef(f"platform/{entity_of[step.table]}", step.column)
        text = (
            f"pseudonym({step.column}, {contract.subject_namespace})"
            if last
            else f"the way to the person: {step.table}.{step.column}"
        )
        yield Edge(origin, ColumnRef(asset, "_subject"), "value" if last else "influence", (text,), key.reveals if last else "")


def _refined(contract: Contract, asset: str, table: schemas.Columns) -> Iterator[Edge]:
    """From bronze to silver: the same columns, of other rows."""
    bronze = {name for name, _, _ in schemas.bronze(contract)}
    how = EVERY if asset.endswith("_history") else NEWEST
    for name, _, _ in table:
        source, text = (name, how) if name in bronze else HISTORY_FROM[name]
        yield Edge(ColumnRef(f"bronze/{contract.entity}", source), ColumnRef(asset, name), "value", (text,))


def _read(table: GoldTable) -> Iterator[Edge]:
    for column, reads in table.reads.items():
        for read in reads:
            yield Edge(ColumnRef(read.table, read.column), ColumnRef(table.key, column), read.kind, read.steps)


def period(value: timedelta) -> str:
    """`15 minutes`."""
    minutes = int(value.total_seconds() // 60)
    size, unit = next((size, unit) for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")) if minutes % size == 0)
    count = minutes // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def cell_text(cell: SmallestCell | None, because: str = "") -> str:
    """The rule in a sentence."""
    if cell is None:
        return f"none, because {because}" if because else "none: it reads nothing of people"
    within = "" if cell.within is None else ", and the next smallest where the total would give them away"
    return f"rows about fewer than {cell.below} {cell.count} show no measure{within}"

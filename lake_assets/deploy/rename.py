"""A renamed entity: its tables take over what the lake holds under the former name, history and completeness included.

Belongs here: which entities wait for that, and taking over. Not here: when (assets/deploy.py), events that still come under the former name
(transforms/rules.py reads them as the entity's own).

A table on S3 cannot be given another path, so its rows are copied, once; then the former tables are emptied and their files removed, since nobody
would look for a person in tables that no contract names. It runs while nothing else reads or writes, and before the first event is loaded under
the new name. What died before the copies were noted is copied again, and after that only the rest is done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lake_assets.deploy.scrub import tables_of
from lake_assets.raw import progress
from lake_assets.raw.batches import finished_below
from lake_assets.raw.session import interpreted, is_small
from publisher.contracts import Contract
from publisher.contracts.lasting import names_of
from resources.spark import spark_errors
from resources.table_schema import literal, quoted
from resources.table_upkeep import keep_present_version
from resources.tables import LakeTables

NAMED_IN = (
    ("manifests", "of"), ("risk", "of"), ("states", "of"), ("completeness", "entity"), ("conflicts", "entity"), ("tombstones", "entity"),
    ("adjustments", "entity"),
)  # fmt: skip
"""Where in `ops` rows are an entity's, and by which column."""

COPIED, DONE = "copied", "done"
_PROGRESS = "renamed/"
CHAINS = "completeness"


@dataclass(frozen=True)
class Rename:
    """An entity and the name that it had."""

    entity: str
    former: str

    @property
    def progress(self) -> str:
        return f"{_PROGRESS}{self.former}"


def waiting_renames(tables: LakeTables, contracts: Mapping[str, Contract], released: Iterable[Contract]) -> list[Rename]:
    """The names under which the lake holds something that another entity has to take over. Free of cost where no entity was renamed."""
    every = [*contracts.values(), *released]
    names = [Rename(entity, former) for entity in contracts for former in names_of(entity, every)[1:]]
    return [each for each in names if not _is(tables, each, DONE) and tables.exists("bronze", each.former)]


def taken_over(tables: LakeTables) -> set[str]:
    """The former names of which `ops` says nothing any more: the entity's tables and its rows there have the new one."""
    return {name.removeprefix(_PROGRESS) for name in progress.read_all(tables) if name.startswith(_PROGRESS)}


def take_over(tables: LakeTables, rename: Rename) -> dict[str, int]:
    """Copies what is held under the former name, and leaves nothing there; the rows that each table has got.

    The entity's own tables are there and empty. Nothing else may read or write. Raises SparkFailed.
    """
    rows: dict[str, int] = {}
    if not _is(tables, rename, COPIED):
        for (layer, name), (_, former) in zip(tables_of(rename.entity), tables_of(rename.former), strict=True):
            rows[f"{layer}/{name}"] = _copy(tables, layer, name, former)
        _take_over_ops(tables, rename)
        progress.write(tables, rename.progress, note=COPIED)
    for layer, former in tables_of(rename.former):
        with spark_errors(f"emptying {layer}/{former}"):
            tables.spark.sql(f"DELETE FROM {tables.sql_name(layer, former)}").collect()  # noqa: S608 (a name)
        keep_present_version(tables, layer, former)
    progress.write(tables, rename.progress, note=DONE)
    return rows


def _copy(tables: LakeTables, layer: str, name: str, former: str) -> int:
    """The table's rows in the columns of the new one; what that lacks was withdrawn with the renaming, and stays behind.

    Of bronze, what a batch brought that has not come through silver is left out: that batch is loaded again, under the new name.
    """
    has, wants = tables.schema(layer, former), tables.schema(layer, name)
    if has is None or wants is None:
        return 0
    columns = ", ".join(
        quoted(field.name) if field.name in has.fieldNames() else f"CAST(NULL AS {field.dataType.simpleString()})"
        for field in wants.fields
    )
    where = ""
    if layer == "bronze":
        closed = f"SELECT _batch FROM {tables.sql_name('ops', 'batches')}"  # noqa: S608 (a name)
        where = f" WHERE _batch <= {finished_below(tables)} OR _batch IN ({closed})"
    with (
        interpreted(tables.spark, small=is_small(tables, layer, former)),
        spark_errors(f"copying {layer}/{former} to {layer}/{name}"),
    ):
        source = f"SELECT {columns} FROM {tables.sql_name(layer, former)}{where}"  # noqa: S608 (names and a number)
        tables.spark.sql(f"INSERT OVERWRITE {tables.sql_name(layer, name)} {source}").collect()
        return int(tables.read(layer, name).count())


def _take_over_ops(tables: LakeTables, rename: Rename) -> None:
    now, was = literal(rename.entity), literal(rename.former)
    for name, column in NAMED_IN:
        if not tables.exists("ops", name):
            continue
        with interpreted(tables.spark), spark_errors(f"renaming {rename.former} in ops/{name}"):
            statement = f"UPDATE {tables.sql_name('ops', name)} SET {quoted(column)} = {now} WHERE {quoted(column)} = {was}"  # noqa: S608
            tables.spark.sql(statement).collect()
    known = progress.read_all(tables)
    for prefix in ("history", "state"):
        if (former := known.get(f"{prefix}/{rename.former}")) is not None:
            note = former.note
            if note is not None and prefix == "state":
                note = json.dumps({**json.loads(note), "entity": rename.entity})
            progress.write(tables, f"{prefix}/{rename.entity}", position=former.position, note=note)
    chains = json.loads((known[CHAINS].note if CHAINS in known else None) or "{}")
    if rename.former in chains:
        chains[rename.entity] = chains.pop(rename.former)
        progress.write(tables, CHAINS, note=json.dumps(chains))


def _is(tables: LakeTables, rename: Rename, state: str) -> bool:
    known = progress.read(tables, rename.progress)
    return known is not None and known.note == state

"""The lake's own tables, all made before the first batch.

Belongs here: which tables there are and how they are laid out. Not here: their columns (`transforms/schemas.py`), gold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from lake_assets.deploy.rename import waiting_renames
from lake_assets.deploy.scrub import note_withdrawn
from lake_assets.raw import progress
from lake_assets.raw.contracts import mark, record_contracts
from lake_assets.raw.session import interpreted
from lake_assets.silver.rekey import begin_with
from lake_assets.transforms import schemas
from lake_assets.transforms.schemas import Columns
from publisher.contracts import Contract
from publisher.contracts.history import SignedVersion
from resources.tables import LakeTables

FINGERPRINT = "schemas"
THREADS = 4


@dataclass(frozen=True)
class Table:
    """A table as it is made: statistics only of columns that hold no person's data, unless LakeTables knows better."""

    layer: str
    name: str
    columns: Columns
    partition_by: Sequence[str] = ()
    statistics: Sequence[str] = field(default=())


OPS = (
    Table("ops", "objects", schemas.OBJECTS, partition_by=("day",)),
    Table("ops", "quarantine", schemas.QUARANTINE),
    Table("ops", "manifests", schemas.MANIFESTS, statistics=("seq_from", "seq_to", "_batch")),
    Table("ops", "risk", schemas.RISK),
    Table("ops", "states", schemas.STATES, statistics=("seq_high",)),
    Table("ops", "batches", schemas.BATCHES),
    Table("ops", "tombstones", schemas.TOMBSTONES, partition_by=("entity",)),
    Table("ops", "contracts", schemas.CONTRACTS),
    Table("ops", "conflicts", schemas.CONFLICTS),
    Table("ops", "completeness", schemas.COMPLETENESS, statistics=("seq_from", "seq_to")),
    Table("ops", "checkpoints", schemas.CHECKPOINTS, statistics=("checkpoint",)),
    Table("ops", "erased", schemas.ERASED),
    Table("ops", "adjustments", schemas.ADJUSTMENTS, statistics=("seq", "_batch")),
    Table("ops", "erasures", schemas.ERASURES),
)


def tables_of(contracts: Mapping[str, Contract]) -> list[Table]:
    """Every table that this package writes, except its progress."""
    found = list(OPS)
    for entity, contract in contracts.items():
        found += [
            Table("bronze", entity, schemas.bronze(contract)),
            Table("silver", entity, schemas.silver(contract)),
            Table("silver", f"{entity}_history", schemas.history(contract)),
        ]
    return found


def ensure_lake(
    tables: LakeTables,
    contracts: Mapping[str, Contract],
    signed: Sequence[SignedVersion] = (),
    progressed: Mapping[str, progress.Progress] | None = None,
) -> int:
    """Makes the tables that are missing and adds columns that contracts gained; how many it looked at. Records the `signed` versions.

    One look-up when nothing changed: the fingerprint of both is kept with the progress. None where the caller has read that row already (`progressed`).
    It is not kept, and each call looks anew, as long as columns wait to be emptied or an entity to take over what is held under its former name (deploy/).
    """
    wanted = f"{schemas.fingerprint(contracts)} {mark(signed)}"
    with interpreted(tables.spark):
        known = (progress.find_some(tables, (FINGERPRINT,)) if progressed is None else progressed).get(FINGERPRINT)
    if known is not None and known.note == wanted:
        return 0
    progress.ensure(tables)
    made = tables_of(contracts)
    with ThreadPoolExecutor(THREADS) as pool:  # a table is a second of waiting for its first commit
        surplus = [done.result() for done in [pool.submit(_ensure, tables, table) for table in made]]
    record_contracts(tables, signed)
    begin_with(tables, contracts.values(), new=known is None)
    columns: dict[str, set[str]] = {entity: set() for entity in contracts}
    for table, names in zip(made, surplus, strict=True):
        if table.layer != "ops":
            columns[table.name.removesuffix("_history")] |= names
    withdrawn = note_withdrawn(tables, {entity: sorted(names) for entity, names in columns.items()}) if known else {}
    if known is None or not (withdrawn or waiting_renames(tables, contracts, [each.contract for each in signed])):
        progress.write(tables, FINGERPRINT, note=wanted)
    return len(made)


def _ensure(tables: LakeTables, table: Table) -> set[str]:
    """Makes the table, or widens it; the fields' columns that it has and its contract has not."""
    properties = {"delta.dataSkippingStatsColumns": ",".join(table.statistics)} if table.statistics else None
    has = tables.ensure(table.layer, table.name, schemas.struct(table.columns), table.partition_by, properties)
    wanted = {name for name, *_ in table.columns}
    return set() if has is None else {name for name in has.fieldNames() if name not in wanted and not name.startswith("_")}

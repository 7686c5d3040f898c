"""The platform's tables, as external assets: where lineage begins. The lake never reads them; it holds no key to the database.

Belongs here: their specs. Not here: anything that runs.
"""

from __future__ import annotations

import dagster as dg

from lake_assets.catalog import Catalog
from publisher.contracts import Contract


def platform_assets(catalog: Catalog) -> list[dg.AssetSpec]:
    """One external asset an entity, with every column of the table, the withheld ones included."""
    return [
        catalog.spec(
            ["platform", entity],
            f"{contract.description} The platform's own table: the lake sees what the contract releases of it, and nothing else. "
            + _kept(contract),
            kinds={"postgres"},
            columns=[
                (column.name, column.type, f"{column.classification}{', encrypted' if column.encrypted else ''}.")
                for column in contract.columns.values()
            ],
            entity=entity,
            owner=contract.owner,
        )
        for entity, contract in catalog.contracts.items()
    ]


def _kept(contract: Contract) -> str:
    times = [name for name in contract.withheld if name not in contract.never_leaves]
    said = f"Never leaves: {', '.join(contract.never_leaves) or 'something of every column leaves'}."
    return f"{said} Told by the envelope alone, to the {contract.precision}: {', '.join(times)}." if times else said

"""What Dagster shows of each asset: description, columns, owners, kinds, lineage and freshness.

Belongs here: from contracts, gold files and lineage to AssetSpecs. Not here: how an asset is made (assets/), when (automation.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from lake_assets.gold.load import load_gold
from lake_assets.gold.model import GoldTable
from lake_assets.lineage import Lineage, as_markdown, build_lineage, column_description, dagster_column_deps
from lake_assets.transforms import schemas
from publisher.contracts import Contract, load_contracts
from publisher.contracts.history import SignedVersion, signed_versions
from publisher.contracts.lasting import check_lasting

GROUPS = {
    "platform": "1_platform",
    "raw": "2_raw",
    "bronze": "3_bronze",
    "silver": "4_silver",
    "gold": "5_gold",
    "ops": "6_ops",
    "care": "7_care",
}


@dataclass(frozen=True)
class Catalog:
    """Contracts, gold tables and their lineage, read once a process."""

    contracts: Mapping[str, Contract]
    gold: Mapping[str, GoldTable]
    lineage: Lineage
    pages_url: str | None = None
    signed: Sequence[SignedVersion] = ()

    @classmethod
    def load(cls) -> Catalog:
        """Reads the folder that CONTRACTS_DIR names (default: contracts). Raises ContractError or GoldError with all that is wrong."""
        directory = Path(os.environ.get("CONTRACTS_DIR", "contracts"))
        contracts = load_contracts(directory)
        signed = signed_versions(directory)
        check_lasting(contracts, (each.contract for each in signed))
        gold = load_gold(contracts)
        return cls(contracts, gold, build_lineage(contracts, gold), os.environ.get("PAGES_URL"), signed)

    @property
    def released(self) -> list[Contract]:
        """Every version of every contract that was ever released."""
        return [each.contract for each in self.signed]

    @cached_property
    def code_versions(self) -> dict[str, str]:
        return {entity: contract.version for entity, contract in self.contracts.items()}

    def spec(
        self,
        key: Sequence[str],
        description: str,
        *,
        kinds: set[str],
        deps: Sequence[Sequence[str]] = (),
        columns: schemas.Columns = (),
        entity: str | None = None,
        owner: str = "data",
        freshness: timedelta | None = None,
        automation: dg.AutomationCondition[dg.AssetKey] | None = None,
        skippable: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> dg.AssetSpec:
        """The AssetSpec of one table. `freshness` says how long after the last run it counts as stale in the UI."""
        policy = None if freshness is None else dg.FreshnessPolicy.time_window(fail_window=freshness * 2, warn_window=freshness)
        return dg.AssetSpec(
            dg.AssetKey(key),
            deps=[dg.AssetKey(dep) for dep in deps],
            description=description,
            kinds=kinds,
            group_name=GROUPS[key[0]],
            owners=[team(owner)],
            code_version=self.code_versions.get(entity or ""),
            metadata=self._metadata(key, columns),
            freshness_policy=policy,
            automation_condition=automation,
            skippable=skippable,
            tags=tags,
        )

    def _metadata(self, key: Sequence[str], columns: schemas.Columns) -> dict[str, Any]:
        asset = "/".join(key)
        metadata: dict[str, Any] = {}
        if columns:
            metadata["dagster/column_schema"] = dg.TableSchema(
                columns=[
                    dg.TableColumn(name, kind, description=self._column_description(asset, name, text))
                    for name, kind, text in columns
                ]
            )
        if not self.lineage.of(asset):
            return metadata
        if deps := dagster_column_deps(self.lineage, asset):
            metadata["dagster/column_lineage"] = dg.TableColumnLineage(
                {
                    column: [
                        dg.TableColumnDep(asset_key=dg.AssetKey(source.split("/")), column_name=name) for source, name in found
                    ]
                    for column, found in deps.items()
                }
            )
        # The open-source UI stores the column lineage and does not show it; a table in Markdown it does show.
        metadata["column lineage"] = dg.MetadataValue.md(as_markdown(self.lineage, asset))
        if self.pages_url:
            metadata["lineage page"] = dg.MetadataValue.url(f"{self.pages_url}/lineage.html#{asset}")
            metadata["what leaves the platform"] = dg.MetadataValue.url(f"{self.pages_url}/release.html")
        return metadata

    def _column_description(self, asset: str, column: str, text: str) -> str:
        return column_description(self.lineage, asset, column) if self.lineage.of(asset) else text


def team(owner: str) -> str:
    """An owner as Dagster writes it."""
    return "team:" + owner.strip().lower().replace(" ", "-")

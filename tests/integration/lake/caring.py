"""A small lake that grows by increments and is cared for by its own assets.

Belongs here: what the tests of care share. Not here: what they prove.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from lake_assets.care.look import look
from lake_assets.transforms.fields import Rules
from lake_assets.transforms.rules import rules_of
from publisher.contracts import Contract
from resources.delta_log import DeltaLogs
from resources.delta_snapshot import snapshots
from tests.integration.lake.conftest import Lake
from tests.integration.lake.taking import Rows, bring_history, contents, names_of, resource, take_all
from tests.unit.lake.make_events import event, line


@dataclass
class Story:
    """A lake with one entity."""

    lake: Lake
    few: dict[str, Contract]
    rules: Rules
    logs: DeltaLogs

    @classmethod
    def of(cls, lake: Lake, contracts: Mapping[str, Contract]) -> Story:
        few = {"debts": contracts["debts"]}
        return cls(lake, few, rules_of(few), DeltaLogs(lake.uri))

    @property
    def names(self) -> list[tuple[str, str]]:
        return names_of(self.few)

    def rows(self) -> dict[str, Rows]:
        return contents(self.lake.tables, *self.names)

    def increment(self, number: int, *, history: bool = True) -> None:
        """A new row, an old one changed, one deleted now and then, something refused."""
        debts, seq = self.rules["debts"], 10 * number
        lines = [line(event(debts, number, seq)), line(event(debts, max(1, number - 1), seq + 1, op="update")), b"no JSON"]
        if number % 3 == 0:
            lines.append(line(event(debts, number - 2, seq + 2, op="delete")))
        self.lake.land(f"{number}.gz", lines)
        take_all(self.lake, self.rules, self.few)
        if history:
            bring_history(self.lake, self.few)

    def crowd(self) -> int:
        """The worst table's."""
        return max(look(found).crowd for found in snapshots(self.logs, self.names).values())

    def materialize(self, *assets: dg.AssetsDefinition) -> dict[str, Any]:
        """Runs the assets as Dagster does; what each shows of itself."""
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize([*assets], resources={"lake": resource(self.lake)}, instance=instance)
            assert result.success
            found = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
        return {"/".join(each.asset_key.path): each.metadata for each in found}

"""The graph of this project's own contracts and gold tables. Belongs here: making it. Not here: what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake_assets.gold.load import load_gold
from lake_assets.lineage import Lineage, build_lineage
from publisher.contracts import Contract, load_contracts


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_contracts(Path(__file__).parents[3] / "contracts")


@pytest.fixture(scope="session")
def lineage(contracts: dict[str, Contract]) -> Lineage:
    return build_lineage(contracts, load_gold(contracts))

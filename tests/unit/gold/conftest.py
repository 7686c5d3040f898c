"""Gold files in a folder of a test's own. Belongs here: writing them. Not here: what is said about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lake_assets.gold.load import load_gold
from lake_assets.gold.model import GoldTable
from publisher.contracts import Contract, load_contracts

Load = Callable[..., dict[str, GoldTable]]


def header(columns: str, grain: str, cell: str = "none because no row of a test is anybody's") -> str:
    """The lines that every gold file begins with."""
    described = "".join(f"-- column {name}: What it is.\n" for name in columns.split())
    return f"-- description: A table.\n-- owner: finance\n-- freshness: 15 minutes\n-- grain: {grain}\n-- smallest_cell: {cell}\n{described}"


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_contracts(Path(__file__).parents[3] / "contracts")


@pytest.fixture
def load(tmp_path: Path, contracts: dict[str, Contract]) -> Load:
    """Loads gold from files given by name."""

    def loaded(**files: str) -> dict[str, GoldTable]:
        for name, sql in files.items():
            (tmp_path / f"{name}.sql").write_text(sql, encoding="utf-8")
        return load_gold(contracts, tmp_path)

    return loaded

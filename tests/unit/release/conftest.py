"""A release of the shipped contracts under fixed keys, as if every combination of a k-group were common. Belongs here: fixtures of these tests only."""

from __future__ import annotations

from pathlib import Path

import pytest

from publisher.contracts import Contract, load_contracts
from publisher.release import Release
from tests.unit.release.rows import AsItIs, keyring


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_contracts(Path(__file__).parents[3] / "contracts")


@pytest.fixture(scope="session")
def release(contracts: dict[str, Contract]) -> Release:
    return Release(contracts, keyring(), AsItIs())

"""The shipped contracts, to read and to spoil. Belongs here: fixtures of the contracts' tests only."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from publisher.contracts import Contract, load_contracts
from tests.unit.contracts.release_history import commit, git

SHIPPED = Path(__file__).parents[3] / "contracts"


@pytest.fixture(scope="session")
def shipped() -> dict[str, Contract]:
    return load_contracts(SHIPPED)


@pytest.fixture
def contracts_copy(tmp_path: Path) -> Path:
    """A copy of the shipped contracts that a test may spoil; nobody has approved or released them."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "contracts", ignore=shutil.ignore_patterns("approvals.yaml", "history")))


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A copy of the shipped contracts with their approvals and history."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "contracts"))


@pytest.fixture
def repository(released: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The contracts with their history as a git repository of one commit."""
    for variable in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    git(released.parent, "init", "--quiet", "--initial-branch=main")
    commit(released, "one")
    return released

"""The rules of the real contracts, for all tests of the lake."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake_assets.transforms.fields import Rules
from lake_assets.transforms.rules import rules_of
from publisher.contracts import load_contracts


@pytest.fixture(scope="session")
def rules() -> Rules:
    return rules_of(load_contracts(Path("contracts")))

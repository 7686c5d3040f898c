"""The parsed Terraform. Belongs here: loading it once. Not here: what is demanded of it."""

from __future__ import annotations

import pytest

from tests.unit.infra.terraform import Terraform


@pytest.fixture(scope="session")
def terraform() -> Terraform:
    return Terraform.load()

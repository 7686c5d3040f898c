"""The platform's settings, from the environment. Belongs here: reading and checking them. Not here: defaults of the demo."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.cloud.provision import unwrap_data_key
from demo.errors import SettingMissing
from publisher.contracts import Contract, load_contracts

ROOT = Path(__file__).parents[2]

MEANINGS = {
    "PLATFORM_DATABASE_URL": "the platform's database, postgresql://…",
    "AWS_ACCESS_KEY_ID": "a key of the cloud (the emulator takes any)",
    "AWS_SECRET_ACCESS_KEY": "the key's secret",
    "AWS_DEFAULT_REGION": "the cloud's region, e.g. eu-west-2",
}


@dataclass(frozen=True)
class Settings:
    """Where the platform's database is, and the environment that leads to its data key."""

    database_url: str
    environment: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, *, cloud: bool = True) -> Settings:
        """Reads them; raises SettingMissing. `cloud` false: only the database is needed."""
        found = dict(os.environ if environment is None else environment)
        for name, meaning in MEANINGS.items():
            if (cloud or name == "PLATFORM_DATABASE_URL") and not found.get(name):
                raise SettingMissing(name, meaning)
        return cls(found["PLATFORM_DATABASE_URL"], found)

    def data_key(self) -> bytes:
        """Fetches the data key from the cloud."""
        return unwrap_data_key(self.environment)

    def contracts(self) -> dict[str, Contract]:
        """What may leave, from CONTRACTS_DIR (default: the repository's). Raises ContractError."""
        return load_contracts(Path(self.environment.get("CONTRACTS_DIR") or ROOT / "contracts"))

"""The lake's settings, read once from the environment.

Belongs here: names, types and the sentence for a missing one. Not here: the platform's settings (publisher/settings.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from resources.errors import SettingMissing

_ABOUT = {
    "LANDING_URI": "the bucket where Firehose lands raw objects, e.g. s3://landing",
    "LANDED_QUEUE_URL": "the SQS queue that S3 tells of landed objects",
    "LAKE_URI": "where the tables are, e.g. s3://lake",
    "SPARK_REMOTE": "the Spark Connect server, e.g. sc://127.0.0.1:15002",
    "CONTRACTS_DIR": "the folder of the release contracts",
}


@dataclass(frozen=True)
class LakeSettings:
    """Where the lake's parts are. The AWS variables are read by the AWS clients themselves."""

    landing_uri: str
    landed_queue_url: str
    lake_uri: str
    spark_remote: str
    contracts_dir: Path

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> LakeSettings:
        """Reads the environment. Raises SettingMissing, which names every variable that is not set and what it is."""
        env = os.environ if environment is None else environment
        values = {name: env.get(name, "").strip() for name in _ABOUT}
        values["CONTRACTS_DIR"] = values["CONTRACTS_DIR"] or "contracts"
        missing = [f"{name} ({about})" for name, about in _ABOUT.items() if not values[name]]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            raise SettingMissing(f"{', '.join(missing)} {verb} not set: `make dev` sets and prints them all.")
        return cls(
            landing_uri=values["LANDING_URI"].rstrip("/"),
            landed_queue_url=values["LANDED_QUEUE_URL"],
            lake_uri=values["LAKE_URI"].rstrip("/"),
            spark_remote=values["SPARK_REMOTE"],
            contracts_dir=Path(values["CONTRACTS_DIR"]),
        )

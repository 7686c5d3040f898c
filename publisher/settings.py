"""The publisher's settings: one typed object, read once from the environment.

Belongs here: names, defaults and what to set. Not here: anything that a contract says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from publisher.errors import SettingsError

REMEDY = {
    "PLATFORM_DATABASE_URL": "the platform's database, postgresql://user@host:5432/name, directly and not through a pooler",
    "LAKE_STREAM": "the name of the Kinesis stream that leads to the lake",
}
"""What to set, for each setting that has no default."""


@dataclass(frozen=True)
class Settings:
    """What the publisher is told from outside. AWS's own variables are read by boto3."""

    contracts_dir: Path
    database_url: str | None
    stream: str | None
    region: str
    data_key_secret: str
    pseudonym_secret: str
    manifest_seconds: float
    oldest_limit_seconds: float
    metrics_address: str
    metrics_port: int | None
    """None: nobody listens."""
    traces_endpoint: str | None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Raises SettingsError for a value that cannot be used. What a command needs, it asks for by `need`."""
        return cls(
            contracts_dir=Path(environ.get("CONTRACTS_DIR") or "contracts"),
            database_url=environ.get("PLATFORM_DATABASE_URL") or None,
            stream=environ.get("LAKE_STREAM") or None,
            region=environ.get("AWS_DEFAULT_REGION") or environ.get("AWS_REGION") or "eu-west-2",
            data_key_secret=environ.get("PUBLISHER_DATA_KEY_SECRET") or "platform/data-key",
            pseudonym_secret=environ.get("PUBLISHER_PSEUDONYM_SECRET") or "platform/pseudonym-key",
            manifest_seconds=_seconds(environ, "PUBLISHER_MANIFEST_SECONDS", 10.0),
            oldest_limit_seconds=_seconds(environ, "PUBLISHER_OLDEST_LIMIT", 300.0),
            metrics_address=environ.get("PUBLISHER_METRICS_ADDRESS") or "127.0.0.1",
            metrics_port=_port(environ, "PUBLISHER_METRICS_PORT"),
            traces_endpoint=environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
            or environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            or None,
        )

    def need_database_url(self) -> str:
        """Raises SettingsError when it is not set."""
        return _need("PLATFORM_DATABASE_URL", self.database_url)

    def need_stream(self) -> str:
        """Raises SettingsError when it is not set."""
        return _need("LAKE_STREAM", self.stream)


def _need(name: str, value: str | None) -> str:
    if value is None:
        raise SettingsError(f"{name} is not set: set it to {REMEDY[name]}")
    return value


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.1 <= seconds <= 86_400:
        raise SettingsError(f"{name} is not a number of seconds between 0.1 and 86400: set it, for example, to {default:g}")
    return seconds


def _port(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise SettingsError(f"{name} is not a port between 1 and 65535: set it, for example, to 9464, or not at all")
    return int(text)

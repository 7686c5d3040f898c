"""One client a service, endpoint and process. Belongs here: keeping them. Not here: what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from demo.cloud.ministack import client

_SETTINGS = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")


def client_of(service: str, environment: Mapping[str, str]) -> Any:
    """A boto3 client for the standard AWS variables of `environment`."""
    return _client(service, tuple((name, environment[name]) for name in _SETTINGS if name in environment))


def only_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """What an item takes along to another process: no database password."""
    return {name: environment[name] for name in _SETTINGS if name in environment}


@cache
def _client(service: str, settings: tuple[tuple[str, str], ...]) -> Any:
    return client(service, dict(settings))

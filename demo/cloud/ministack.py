"""The emulator of S3, SQS, Kinesis, KMS and Secrets Manager, in a process of its own.

Belongs here: starting it, and the clients that reach it. Not here: what is provisioned in it (provision.py).
"""

from __future__ import annotations

import os
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config

from demo.errors import ProcessFailed
from demo.processes import Child, require_free_port, start
from resources.ports import LOOPBACK, free_port

REGION = "eu-west-2"
SERVICES = ("s3", "sqs", "kinesis", "kms", "secretsmanager")
READY_SECONDS = 60.0
SETTING = "CLOUD_PORT"
ATTEMPTS = 3

# Making clients is the one thing in boto3 that threads must not do at once.
_session_lock = threading.Lock()


@dataclass
class Emulator:
    """How to reach a running emulator."""

    port: int

    @property
    def endpoint_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def environment(self) -> dict[str, str]:
        """The standard variables by which an AWS SDK finds it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo-secret",
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str) -> Any:
        """A boto3 client of this emulator, whatever the environment says."""
        return client(service, self.environment())


@dataclass
class Ministack(Emulator):
    """A running emulator that is ours: everything it holds is in its memory and ends with it."""

    child: Child

    @classmethod
    def start(cls, folder: Path, *, port: int | None = None) -> Ministack:
        """Starts it on `port` (none: a free one), its log in `folder`; ready on return.

        Raises PortTaken if somebody listens on `port`, ProcessFailed if it does not start.
        """
        if port is not None:
            require_free_port(port, "the local cloud", SETTING)
            return cls._start(folder, port)
        for _ in range(ATTEMPTS - 1):
            try:
                return cls._start(folder, free_port())
            except ProcessFailed:  # another process may have taken the free port first
                continue
        return cls._start(folder, free_port())

    @classmethod
    def _start(cls, folder: Path, port: int) -> Ministack:
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ministack"]
        child = start("ministack", command, env=_process_environment(folder, port), log=folder / "ministack.log")
        server = cls(port, child)
        try:
            child.wait_ready(server._answers, READY_SECONDS)
        except BaseException:
            child.stop()
            raise
        return server

    def stop(self) -> None:
        """Stops it; what it held is gone."""
        self.child.stop()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_ministack/health", timeout=2) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def __enter__(self) -> Ministack:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def client(service: str, environment: Mapping[str, str]) -> Any:
    """A boto3 client from the standard AWS variables in `environment`."""
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5, "mode": "standard"})
    endpoint = environment.get("AWS_ENDPOINT_URL")
    with _session_lock:
        return _session().client(  # type: ignore[call-overload]
            service,
            endpoint_url=endpoint,
            config=config,
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_DEFAULT_REGION"],
        )


@lru_cache(maxsize=1)
def _session() -> boto3.session.Session:
    """One for all clients: a session reads the services' descriptions anew, which takes half a second each."""
    return boto3.session.Session()


def _process_environment(folder: Path, port: int) -> dict[str, str]:
    """Only the five services, only on the loopback interface, only in memory; nothing of the user's AWS set-up."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **inherited,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_REGION": REGION,
        "SERVICES": ",".join(SERVICES),
        "LOG_LEVEL": "WARNING",
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder),
        # By default it also opens port 2222 or so for SFTP and 8883 for MQTT, and removes containers of its label.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder / 'no-docker.sock'}",
    }

"""Keeps the writer lease while a server runs.

Belongs here: when to renew, and when the server has to go. Not here: the lease itself (resources/lease.py).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from resources.errors import LeaseHeld
from resources.lease import WriterLease


class Guard:
    """Renews a lease from the server's own watch loop; without a lease (a lake in a folder) it does nothing."""

    def __init__(self, lease: WriterLease | None) -> None:
        self._lease = lease
        self._due = 0.0

    def tick(self) -> None:
        """Renews when a third of the lease has passed.

        Raises LeaseHeld when the lease is somebody else's, or when S3 has not answered for so long that it soon may be: the
        server then stops before another one can start.
        """
        if self._lease is None or time.monotonic() < self._due:
            return
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._lease.renew()
            self._due = time.monotonic() + self._lease.seconds / 3
        except (BotoCoreError, ClientError):
            self._due = time.monotonic() + 1
            if self._lease.remaining_seconds < self._lease.seconds / 3:
                raise LeaseHeld(
                    "The lake's storage does not answer, so this server's writer lease cannot be renewed: stopped, as "
                    "another server may soon take it."
                ) from None


@contextmanager
def writer_guard(env: Mapping[str, str]) -> Iterator[Guard]:
    """The guard of the lake that LAKE_URI names, for as long as the block runs. Raises LeaseHeld if another server has it."""
    lake_uri = env.get("LAKE_URI", "")
    if not lake_uri.startswith(("s3://", "s3a://")):
        yield Guard(None)
        return
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # A call that hangs must not outlast the lease.
    config = Config(
        s3={"addressing_style": "path"}, connect_timeout=3, read_timeout=3, retries={"max_attempts": 2, "mode": "standard"}
    )
    holder = f"{socket.gethostname()}, process {os.getpid()}"
    lease = WriterLease(boto3.client("s3", config=config), lake_uri, holder)
    lease.acquire()
    try:
        yield Guard(lease)
    finally:
        with suppress(BotoCoreError, ClientError):  # it runs out by itself
            lease.release()

"""How far each shard is delivered, in a file. Belongs here: that file. Not here: reading shards."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path

from demo.errors import DemoError

SHARD_END = "SHARD_END"


class CheckpointsInUse(DemoError):
    """Another Firehose works with the same file."""


class Checkpoints:
    """The last delivered sequence number of each shard, or SHARD_END. Written after the object is in the bucket, so a process
    that is killed in between delivers again rather than not at all.
    """

    def __init__(self, folder: Path, stream: str, identity: str) -> None:
        """Opens the file of `stream` in `folder`; one of another stream of that name (see `identity`) is begun anew."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{stream}.json"
        self._identity = identity
        self._lock = (folder / f"{stream}.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise CheckpointsInUse(
                f"Another Firehose works with {self._path}: stop it, or give this one a folder of its own with --checkpoints."
            ) from None
        self._shards: dict[str, str] = {}
        if self._path.exists():
            stored = json.loads(self._path.read_text())
            if stored["identity"] == identity:
                self._shards = stored["shards"]

    def of(self, shard: str) -> str | None:
        """The sequence number after which the shard is to be read, SHARD_END, or None: from its beginning."""
        return self._shards.get(shard)

    def advance(self, delivered: Mapping[str, str]) -> None:
        """Stores how far shards are delivered; on disk on return."""
        if not delivered:
            return
        self._shards.update(delivered)
        partial = self._path.with_suffix(".partial")
        with partial.open("w") as file:
            json.dump({"identity": self._identity, "shards": self._shards}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)

    def close(self) -> None:
        """Lets another Firehose use the file."""
        self._lock.close()

"""How a delivery stream is set up. Belongs here: options and their limits. Not here: delivering."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from demo.errors import DemoError

MIB = 1024 * 1024
# The limits of the real BufferingHints for Amazon S3.
SIZE_MIB = (1, 128)
INTERVAL_SECONDS = (0, 900)
# A record of the real Firehose, before base64.
RECORD_LIMIT = 1000 * 1024


class BadOption(DemoError):
    """An option is outside of its limits."""


@dataclass(frozen=True)
class Options:
    """One delivery stream: from where, to where, with which hints."""

    stream: str
    bucket: str
    checkpoints: Path
    size_mib: float = 5
    interval_seconds: float = 300
    prefix: str = "raw/"
    error_prefix: str = "errors/"
    duplicate_every: int = 0
    poll_seconds: float = 0.25

    def __post_init__(self) -> None:
        for name, (least, most) in {"size_mib": SIZE_MIB, "interval_seconds": INTERVAL_SECONDS}.items():
            if not least <= getattr(self, name) <= most:
                raise BadOption(f"{name} must be from {least} to {most}, as in the real BufferingHints")
        if self.duplicate_every < 0:
            raise BadOption("duplicate_every must be 0 (never) or a number of records")

    @property
    def size_bytes(self) -> int:
        return round(self.size_mib * MIB)

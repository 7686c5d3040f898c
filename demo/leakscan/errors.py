"""What the leak scan can fail with. Belongs here: the tree of errors. Not here: where they are raised.

DemoError
└── LeakScanError     the scan cannot run as asked
    ├── Unreadable    a place could not be read to its end, so nothing can be said about it
    └── Gone          a place was removed after it was listed
"""

from __future__ import annotations

from demo.errors import DemoError


class LeakScanError(DemoError):
    """The scan cannot run: the message says what to set or to do."""


class Unreadable(LeakScanError):
    """A place could not be read to its end. `kind` is the type of what went wrong: its message may hold a value."""

    def __init__(self, facet: str, kind: str) -> None:
        self.facet, self.kind = facet, kind
        super().__init__(f"{facet} could not be read to its end ({kind})")


class Gone(LeakScanError):
    """The place was removed after it was listed: no failure, what replaced it was listed too."""

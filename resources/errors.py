"""The errors of the lake's edges.

    ResourceError           says what happened and what to do; never carries a value of a record
    ├── SettingMissing      an environment variable that must be set
    ├── SetUpFailed         jars, Java or the AOT cache could not be made
    ├── ServerFailed        the Spark server did not start, or stopped
    └── LeaseHeld           another Spark server writes to this lake

Belongs here: errors that `resources` raises. Not here: what a bad record gets (that is a quarantine row).
"""

from __future__ import annotations


class ResourceError(Exception):
    """Base of what this package raises."""


class SettingMissing(ResourceError):
    """An environment variable that must be set is not."""


class SetUpFailed(ResourceError):
    """Something that set-up makes could not be made."""


class ServerFailed(ResourceError):
    """The Spark server did not become ready, or is gone."""


class LeaseHeld(ResourceError):
    """Another Spark server holds the lake's writer lease."""

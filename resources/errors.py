"""The errors of the lake's edges.

    ResourceError           says what happened and what to do; never carries a value of a record
    ├── SettingMissing      an environment variable that must be set
    ├── SettingInvalid      an environment variable that holds what cannot be used
    ├── SetUpFailed         jars, Java or the AOT cache could not be made
    ├── ServerFailed        the Spark server did not start, or stopped
    ├── LeaseHeld           another Spark server writes to this lake
    ├── SparkFailed         Spark refused or failed a statement: its error class, not its text
    └── SchemaConflict      a table's column has another type than the contract asks for

Belongs here: errors that `resources` raises. Not here: what a bad record gets (that is a quarantine row).
"""

from __future__ import annotations


class ResourceError(Exception):
    """Base of what this package raises."""


class SettingMissing(ResourceError):
    """An environment variable that must be set is not."""


class SettingInvalid(ResourceError):
    """An environment variable holds what cannot be used."""


class SetUpFailed(ResourceError):
    """Something that set-up makes could not be made."""


class ServerFailed(ResourceError):
    """The Spark server did not become ready, or is gone."""


class LeaseHeld(ResourceError):
    """Another Spark server holds the lake's writer lease."""


class SparkFailed(ResourceError):
    """Spark refused or failed a statement.

    Its message is Spark's error class and what was being done: Spark's own text quotes rows and literals.
    """

    def __init__(self, doing: str, condition: str) -> None:
        super().__init__(f"Spark failed with {condition} while {doing}.")
        self.doing = doing
        self.condition = condition


class SchemaConflict(ResourceError):
    """A lake table has a column of another type than the contract asks for."""

    def __init__(self, table: str, field: str, has: str, wants: str) -> None:
        super().__init__(
            f"{table}.{field} is {has} in the lake and {wants} in the contract: a changed type needs a migration, "
            "it cannot be added to a table that holds data."
        )
        self.table = table
        self.field = field

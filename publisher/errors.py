"""Every error that the publisher raises, in one tree.

Belongs here: the classes. Not here: handling. Messages name the entity, the field, the position and the remedy; none
may hold a value, so each is built from names only.

    PublisherError
    ├── SettingsError          a setting is missing or unusable: says which, and what to set
    ├── ContractError          contracts that cannot be used: holds every problem found, with file, field and remedy
    ├── InstallError           the database does not fit the contracts, or capture could not be written
    ├── PermanentError         repeating cannot help: the event is parked
    │   ├── Unreleasable       a row that the contract does not let out: becomes a dead letter
    │   └── RecordTooLarge     an event larger than a stream record
    ├── RuleBroken             (also a ValueError) one value breaks one rule; says the rule, never the value
    └── TransientError         repeating may help: retried with backoff, without end
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publisher.contracts.problems import Problem


class PublisherError(Exception):
    """The base of all errors of the publisher."""


class SettingsError(PublisherError):
    """A setting is missing or unusable."""


class InstallError(PublisherError):
    """The database does not fit the contracts, or capture could not be written into it."""


class ContractError(PublisherError):
    """Contracts that cannot be used. `problems` holds all that was found, not just the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class TransientError(PublisherError):
    """May succeed when repeated."""


class PermanentError(PublisherError):
    """Will not succeed when repeated."""


class RuleBroken(PublisherError, ValueError):
    """One value breaks one rule. The text names the rule only; whoever catches it adds entity, field and position."""


class Unreleasable(PermanentError):
    """A change that may not leave as it is. Carries names and a reason, never a value."""

    def __init__(self, entity: str, seq: int, reason: str, fields: Sequence[str] = ()) -> None:
        self.entity = entity
        self.seq = seq
        self.reason = reason
        self.fields = tuple(fields)
        named = f" ({', '.join(self.fields)})" if self.fields else ""
        super().__init__(f"{entity} seq {seq}: {reason}{named}")


class RecordTooLarge(PermanentError):
    """An event that alone exceeds the stream's record limit."""

    def __init__(self, entity: str, seq: int, size_bytes: int, limit_bytes: int) -> None:
        self.entity = entity
        self.seq = seq
        super().__init__(f"{entity} seq {seq}: {size_bytes} bytes, the limit is {limit_bytes}: narrow the contract's fields")

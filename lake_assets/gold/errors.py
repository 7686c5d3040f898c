"""The errors of gold, in one tree. None holds a value of a row.

    GoldError
    ├── GoldFilesBroken     SQL files that cannot be used: every problem found, with file, line and remedy
    └── GrainBroken         a query gave two rows for one value of its grain; the table that was there stays

Belongs here: the classes. Not here: the checks (check.py, promises.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from publisher.contracts import Problem


class GoldError(Exception):
    """The base of what this package raises."""


class GoldFilesBroken(GoldError):
    """Gold files that cannot be used. `problems` holds all that was found, not just the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class GrainBroken(GoldError):
    """Two rows share what the header says tells rows apart."""

    def __init__(self, table: str, grain: Sequence[str]) -> None:
        self.table = table
        names = ", ".join(grain)
        super().__init__(
            f"{table}: two rows share its grain ({names}). Group by {names}, or name in the grain what tells them apart."
        )

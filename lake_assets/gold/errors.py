"""The errors of gold, in one tree. None holds a value of a row.

    GoldError
    ├── GoldFilesBroken     SQL files that cannot be used: every problem found, with file, line and remedy
    ├── GrainBroken         a query gave two rows for one value of its grain; the table that was there stays
    └── RefreshesSubtract   two refreshes of a table differ by too few people

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


class RefreshesSubtract(GoldError):
    """Cells that two refreshes show, and whose difference can be that of fewer people than the smallest cell."""

    def __init__(self, table: str, cells: int) -> None:
        self.table, self.cells = table, cells
        super().__init__(
            f"{table}: {cells} cells can be subtracted from what the refresh before showed. Take the table out of use, and look at"
            " who wrote it: the engine keeps such a cell as it was."
        )

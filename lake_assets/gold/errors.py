"""What can be wrong with gold, in one error.

Belongs here: the class. Not here: the checks (check.py). Problems have the form that contracts use: file, line, what, remedy.
"""

from __future__ import annotations

from collections.abc import Sequence

from publisher.contracts import Problem


class GoldError(Exception):
    """Gold tables that cannot be used. `problems` holds all that was found, not just the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

"""What can be wrong with a contract, as data. Belongs here: the problem's form. Not here: the checks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with one contract: where it stands, what it is, and what to write instead."""

    file: str
    line: int
    field: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        field = f" {self.field}:" if self.field else ""
        return f"{where}:{field} {self.message}. {self.remedy}"

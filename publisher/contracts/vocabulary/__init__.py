"""The closed vocabulary of derivations: every way in which a column may influence what leaves.

Belongs here: the list of functions, and reading a call of one. Not here: a function itself (identity.py, numbers.py, coarse.py).

Nothing is evaluated: `transformLogic` is parsed and looked up in FUNCTIONS. Derivations are pure: the same row gives the same record
on any day, otherwise values would change without a write and no digest of the table could ever agree with the lake's.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from publisher.contracts.vocabulary.base import Derive, Function, Refusal, Rung, Use, united
from publisher.contracts.vocabulary.coarse import BirthBand, Outcode, PostcodeArea, Truncate
from publisher.contracts.vocabulary.identity import Copy, OneOf, Present, Pseudonym
from publisher.contracts.vocabulary.numbers import Band, LengthBand, MoneyBand, Rounded

__all__ = ["FUNCTIONS", "TODAY", "Call", "Derive", "Function", "Refusal", "Rung", "Use", "parse_call", "united"]

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Present(), Pseudonym(), LengthBand(), Band(), MoneyBand(), BirthBand(), PostcodeArea(), Outcode(), Truncate(), Rounded(), OneOf(), Copy(),
    )
}  # fmt: skip
"""By name, from what reveals least to what reveals all."""

TODAY = frozenset({"age", "age_band", "now", "today", "current_date", "days_since", "days_until", "months_since", "years_since"})
"""Names that a writer may reach for, and that would make a value change without a write."""

_CALL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\(\s*([a-z_][a-z0-9_]*)\s*((?:,\s*[A-Za-z0-9_.-]+\s*)*)\)")
_NAME = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*\(")


class Call(NamedTuple):
    """A call as it is written, of a function that the vocabulary may or may not have."""

    function: str
    column: str
    args: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join((self.column, *self.args))})"


def parse_call(text: str) -> Call | None:
    """Reads `name(column, argument, …)`; None for anything else."""
    match = _CALL.fullmatch(text.strip())
    if match is None:
        return None
    return Call(match[1], match[2], tuple(arg.strip() for arg in match[3].split(",")[1:]))


def called_name(text: str) -> str | None:
    """The name before the first bracket, also of a call that cannot be read."""
    match = _NAME.match(text)
    return match[1] if match else None

"""The form of what leaves: made-up values that show what a field can look like.

Belongs here: an example of a domain, computed from the contract alone. No real value can get here: nothing but the contract is read.
"""

from __future__ import annotations

import re

from publisher.contracts.model import Field
from publisher.contracts.vocabulary.numbers import PENCE

_ATOM = re.compile(r"(\[[^\]]+\]|\\d|[^\\()|.?*+{}$^])(?:\{(\d+)(?:,\d*)?\}|([?*+]))?")
CODE = "7c0ffee0… (32 characters)"


def example(field: Field) -> str:
    """What a value of the field looks like: `1980-1989`, `yes or no`, `2031-05-01`."""
    domain, function = field.derivation.domain, field.derivation.function
    if domain.kind == "boolean":
        return "yes or no"
    if domain.kind == "integer":
        unit = " (pence)" if field.derivation.column.endswith(PENCE) else ""
        return _numbers(domain.minimum or 0, domain.step or 1) + unit
    if domain.kind == "date":
        return "2031-05-01" if "month" in field.derivation.args else "2031-05-17"
    if function == "pseudonym":
        return CODE
    if domain.values:
        return next((value for value in domain.values if value.startswith("1980")), domain.values[len(domain.values) // 2])
    return from_pattern(domain.pattern or "")


def from_pattern(pattern: str) -> str:
    """A text that a simple anchored pattern matches: `C000` for `^C[0-9]{3,5}$`; the pattern itself where it is not simple."""
    body = pattern.removeprefix("^").removesuffix("$")
    made, at = "", 0
    while at < len(body):
        atom = _ATOM.match(body, at)
        if atom is None:
            return pattern
        made += _first(atom[1]) * int(atom[2] or 1)
        at = atom.end()
    return made if re.fullmatch(pattern, made) else pattern


def _first(atom: str) -> str:
    if atom == "\\d":
        return "0"
    return atom[1] if atom.startswith("[") else atom


def _numbers(least: int, step: int) -> str:
    start = least + (-least % step)
    return f"{start:,}, {start + step:,}, {start + 2 * step:,}, …"

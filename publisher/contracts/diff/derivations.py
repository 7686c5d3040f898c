"""Does one derivation reveal less than another?

Belongs here: the order of derivations of one column. Not here: fields and contracts as a whole.

Less is only what can be computed from the more: a coarser band is a function of the finer. Where that cannot be shown the answer is no.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from publisher.contracts.model import Derivation, Field

BANDS = frozenset({"band", "money_band", "length_band"})
KEYED = frozenset({"pseudonym"})
"""Nobody computes a code without the platform's key: it joins rows that did not join, and beside the values that left before it is a dictionary of codes."""
BLANK_IS_A_VALUE = frozenset({"length_band", "pseudonym"})
"""They do not tell blank text from other text, and `present` does."""


def is_coarser(new: Field, old: Field) -> bool:
    """Whether all that `new` reveals of the column could be computed from what `old` revealed."""
    was, now = old.derivation, new.derivation
    if was.column != now.column or not _within(now, was):
        return False
    if now.function == "present":
        return was.function not in BLANK_IS_A_VALUE
    if was.function == "copy" and now.function != "copy":
        return now.function not in KEYED
    if was.function == "truncate" and now.function == "birth_band":
        return True
    if was.function == "outcode" and now.function == "postcode_area":
        return True
    if {was.function, now.function} == {"band", "money_band"}:
        return _edges(now) <= _edges(was)
    return was.function == now.function and _COARSER[now.function](now, was)


def _within(now: Derivation, was: Derivation) -> bool:
    """Whether no row that used to stop, for a value outside of what the contract allowed, would leave."""
    new, old = now.domain, was.domain
    if old.kind == new.kind == "integer" and None not in (old.minimum, old.maximum, new.minimum, new.maximum):
        return (old.minimum or 0) <= (new.minimum or 0) and (new.maximum or 0) <= (old.maximum or 0)
    if was.function == "copy" and now.function == "one_of" and old.pattern:
        return all(re.fullmatch(old.pattern, value) for value in new.values or ())
    return True


def _edges(derivation: Derivation) -> set[int]:
    """The first value of each band, in the column's own unit."""
    unit = 100 if derivation.function == "money_band" else 1
    return {int(edge) * unit for edge in derivation.args}


def _fewer_edges(now: Derivation, was: Derivation) -> bool:
    return _edges(now) <= _edges(was)


def _wider_years(now: Derivation, was: Derivation) -> bool:
    """A width that is a multiple: its bands begin where bands of the old width began."""
    return int(now.args[0]) % int(was.args[0]) == 0


def _wider_step(now: Derivation, was: Derivation) -> bool:
    """Rounding again must fall where rounding fell before: from 100 to 300, but not to 1000.

    A balance of 450 to 549 once left as 500. Were it to leave as 1000 afterwards, a reader of both would know that it is 500 or more.
    """
    step, former = int(now.args[0]), int(was.args[0])
    return step % former == 0 and (step // 2 - former // 2) % former == 0


def _month_for_day(now: Derivation, was: Derivation) -> bool:
    return now.args == ("month",)


def _fewer_values(now: Derivation, was: Derivation) -> bool:
    return set(now.args) <= set(was.args)


def _same(now: Derivation, was: Derivation) -> bool:
    return now.args == was.args


_COARSER: dict[str, Callable[[Derivation, Derivation], bool]] = {
    **dict.fromkeys(BANDS, _fewer_edges),
    "birth_band": _wider_years,
    "rounded": _wider_step,
    "truncate": _month_for_day,
    "one_of": _fewer_values,
    "pseudonym": _same,
    "postcode_area": _same,
    "outcode": _same,
    "present": _same,
    "copy": _same,
}

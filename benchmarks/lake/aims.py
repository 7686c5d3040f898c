"""What a figure is to be, beside what it is.

Belongs here: comparing and printing. Not here: any figure.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Aim:
    """`figure` is to be at most `bound`, or at least where `least`; the bounds are of full scale and two quiet cores."""

    what: str
    figure: float | None
    bound: float
    unit: str = ""
    least: bool = False

    def __str__(self) -> str:
        wanted = f"at {'least' if self.least else 'most'} {self.bound:g}{self.unit}"
        if self.figure is None:
            return f"  {self.what}: not measured ({wanted})"
        reached = self.figure >= self.bound if self.least else self.figure <= self.bound
        return f"  {self.what}: {self.figure:.2f}{self.unit}, {wanted}: {'reached' if reached else 'MISSED'}"


def show(aims: Sequence[Aim], scale: float) -> None:
    """Prints them; of another scale than 1 they say little."""
    print("aims" + ("" if scale == 1 else f", which are of full scale, and this is {scale:g}") + ":")
    for aim in aims:
        print(aim)


def warm(seconds: Sequence[float]) -> float | None:
    """The median of all but the first, which was cold."""
    return statistics.median(seconds[1:]) if len(seconds) > 1 else None


def say(text: str) -> None:
    """What a benchmark is at, on standard error: the tables come at its end."""
    print(f"  … {text}", file=sys.stderr, flush=True)

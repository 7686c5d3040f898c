"""Generations: under which number a batch is written, so that what was written before under another does not stop it.

Belongs here: giving numbers out. Not here: what a number means in a table (resources/tables.py), who needs a new one (replay/).

Delta skips in silence a transaction id that it has seen, and a RESTORE does not make it forget. So a batch that is to be written once more
takes a number that was never given out. Batches that were never finished load under the number of the last rollback: they may be half there under
it, and a number that a replay took meanwhile must not load that half twice.
"""

from __future__ import annotations

from lake_assets.raw import progress
from lake_assets.raw.progress import Progress
from resources.tables import LakeTables

NAME = "generation"
"""In the progress: `position` is the last number that was given out, `note` the one under which batches load; 0 before the first."""


def last_given(known: Progress | None) -> int:
    """The last number given out, to a replay or a rollback."""
    return (known.position or 0) if known else 0


def loading(known: Progress | None) -> int:
    """The number under which batches load that were never finished."""
    return int(known.note or 0) if known else 0


def take(tables: LakeTables) -> int:
    """Gives a new number to a replay; batches go on loading under theirs."""
    known = progress.read(tables, NAME)
    number = last_given(known) + 1
    progress.write(tables, NAME, position=number, note=str(loading(known)))
    return number


def begin(tables: LakeTables, number: int) -> None:
    """From now on batches load under `number`, which was taken before. Repeated, it changes nothing."""
    known = progress.read(tables, NAME)
    progress.write(tables, NAME, position=max(number, last_given(known)), note=str(number))

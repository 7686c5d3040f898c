"""The lake closed for one run: vacuum, erasure and rollback do not bear anybody beside them.

Belongs here: the note that closes it, and reading it. Not here: waiting for others to end, asking whether a run is under way (`lake_assets/runs.py`),
what is done meanwhile.

Whoever closes it writes the note first and then waits for the runs that are at work (`runs.alone` does both). A run that begins later reads
the note and ends: so nobody is beside it, and nobody is stopped. A run that died keeps the lake closed only as long as something is half done: with
`finish` the same work must be done again, and opens it; without, nothing was lost and the next one goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from lake_assets.raw import progress
from lake_assets.raw.progress import Progress
from lake_assets.raw.session import interpreted
from resources.errors import ResourceError
from resources.tables import LakeTables

NAME = "alone"
"""The row of the progress that closes the lake."""

UnderWay = Callable[[str], bool]
"""Whether the run of this id is at work."""


@dataclass(frozen=True)
class Closing:
    """Who closed the lake: for what, which run, and whether that must be finished before anybody else may begin."""

    what: str
    run: str
    finish: bool

    def holds(self, under_way: UnderWay, what: str | None = None) -> bool:
        """Whether others must stay away: while its run is at work, and after it died with something half done, but for a run of `what` that finishes it."""
        return under_way(self.run) or (self.finish and self.what != what)

    def __str__(self) -> str:
        return f"the lake is closed for {self.what} by run {self.run}"


class LakeTaken(ResourceError):
    """Another run has the lake for itself, or did not finish what only a run of its own kind can."""

    def __init__(self, there: Closing, what: str) -> None:
        super().__init__(
            f"{what} cannot begin: {there}. When that run is at work, wait for it; when it died, start the job {there.what} again, which finishes it."
        )


def look(tables: LakeTables, *names: str) -> dict[str, Progress]:
    """The note that closes the lake, where there is one, with the progress of other `names`: one look for both."""
    return progress.find_some(tables, (NAME, *names))


def closing(known: Mapping[str, Progress]) -> Closing | None:
    """Who closed the lake, from what `look` gave."""
    row = known.get(NAME)
    return Closing(**json.loads(row.note)) if row is not None and row.note else None


def left_to_finish(known: Mapping[str, Progress], what: str) -> bool:
    """Whether the lake is closed until `what` has come through, whoever began it. `known` is what `look` gave."""
    there = closing(known)
    return there is not None and there.finish and there.what == what


def close(tables: LakeTables, mine: Closing, under_way: UnderWay) -> bool:
    """Closes the lake for a run, which then waits for the others to end; whether it took over what a run that died had begun.

    Raises LakeTaken while another run has it, or when what died must be finished by another kind of run.
    """
    there = closing(progress.find_some(tables, (NAME,)))
    if there is not None and there.run != mine.run and (under_way(there.run) or (there.finish and there.what != mine.what)):
        raise LakeTaken(there, mine.what)
    with interpreted(tables.spark):
        progress.write(tables, NAME, note=json.dumps(asdict(mine)))
    now = closing(progress.find_some(tables, (NAME,)))
    if now != mine:  # two at the same moment: Delta lets one of them be last
        raise LakeTaken(now or mine, mine.what)
    return there is not None and there.finish


def open_again(tables: LakeTables) -> None:
    """Opens the lake: what the closing was for is whole."""
    with interpreted(tables.spark):
        progress.write(tables, NAME)

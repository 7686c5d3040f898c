"""Which batches are to be loaded again: by number, object, hour, or by what is in quarantine.

Belongs here: choosing. Not here: loading (`again.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as sf

from lake_assets.raw.session import interpreted
from resources.errors import ResourceError
from resources.spark import spark_errors
from resources.tables import LakeTables

HOUR = "%Y-%m-%d-%H:%M"
"""How an hour is written, in UTC: as Dagster names its partitions."""


class NothingChosen(ResourceError):
    """A replay was asked for without saying of what."""

    def __init__(self) -> None:
        super().__init__(
            "Say what to load again: batches, objects, reasons or hours; every batch at once is what a rollback is for."
        )


class NoHour(ResourceError):
    """An hour is written otherwise."""

    def __init__(self, position: int) -> None:
        super().__init__(f"hours[{position}] is no hour: write it as 2026-11-24-04:00, in UTC.")


@dataclass(frozen=True)
class Choice:
    """What a batch must have to be loaded again. What is given narrows: reasons and an hour mean quarantined rows of that hour's batches.

    `reasons` are looked for in quarantine, `objects` and `hours` in the ledger.
    """

    batches: Sequence[int] = ()
    objects: Sequence[str] = ()
    reasons: Sequence[str] = ()
    hours: Sequence[str] = ()


def choose(tables: LakeTables, choice: Choice) -> list[int]:
    """The finished batches that the choice means, oldest first: one that waits will load by itself. Raises NothingChosen, NoHour."""
    if not (choice.batches or choice.objects or choice.reasons or choice.hours):
        raise NothingChosen
    ledger = tables.read("ops", "objects")
    wanted: list[Column] = []
    if choice.batches:
        wanted.append(sf.col("_batch").isin(*choice.batches))
    if choice.objects:
        wanted.append(sf.col("object").isin(*choice.objects))
    if choice.hours:
        hours = [_hour(text, position) for position, text in enumerate(choice.hours)]
        # The day is the ledger's partition: an hour costs a day's files, not the whole ledger's.
        wanted.append(sf.col("day").isin(*{hour.date() for hour in hours}) & sf.unix_seconds("hour").isin(*map(_seconds, hours)))
    found = reduce(lambda frame, condition: frame.where(condition), wanted, ledger).select("_batch").distinct()
    if choice.reasons:
        refused = tables.read("ops", "quarantine").where(sf.col("reason").isin(*choice.reasons)).select("_batch")
        found = found.join(refused, "_batch", "left_semi")
    finished = found.join(tables.read("ops", "batches").select("_batch"), "_batch", "left_semi")
    with interpreted(tables.spark), spark_errors("choosing batches"):
        return sorted(row._batch for row in finished.collect())


def _hour(text: str, position: int) -> datetime:
    try:
        return datetime.strptime(text, HOUR).replace(tzinfo=UTC)
    except ValueError:
        raise NoHour(position) from None


def _seconds(hour: datetime) -> int:
    return int(hour.timestamp())

"""A batch that is loaded again: its rows are put in the place of those that the tables hold of it.

Belongs here: what stays of the rows that are there, and what must not be lost. Not here: reading and judging lines (`lines.py`), when a batch is
loaded again (replay/).

What the objects say now replaces what they said then, a table at a time, so that a load which dies in between is mended by the next. Rows of objects that
are gone stay as they are: nobody can read those again. And what had loaded must load again: under contracts that know its version no longer, a
replay would empty the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.bronze.conservation import NOT_EVENTS
from lake_assets.raw.batches import Batch
from lake_assets.transforms.rules import TOLD
from resources.errors import ResourceError
from resources.spark import spark_errors
from resources.tables import LakeTables

Held = Mapping[str, Counter[str]]
"""How many rows of the batch each object has in each table."""


class ReplayWouldLose(ResourceError):
    """Rows that had loaded would not load any more; nothing was written."""

    def __init__(self, batch: int, lost: Mapping[str, int]) -> None:
        named = ", ".join(f"{count} of {name}" for name, count in sorted(lost.items()))
        super().__init__(
            f"Batch {batch} was not loaded again: rows that it had brought would not load any more ({named}). "
            "Give the lake the contracts under which they came, or leave the batch as it is; nothing was changed."
        )
        self.batch = batch
        self.lost = dict(lost)


def _object_column(name: str) -> str:
    return "object" if name == "quarantine" else "_object"


class Again:
    """Writes a batch in the place of its rows. `held` are those, `kept` the objects that are gone and whose rows stay."""

    def __init__(self, tables: LakeTables, batch: Batch, held: Held, kept: Iterable[str]) -> None:
        self._tables, self._batch, self._kept = tables, batch, sorted(kept)
        self._held: Counter[str] = Counter()
        self._of_kept: Counter[str] = Counter()
        for name, counts in held.items():
            self._held.update(counts)
            if name in kept:
                self._of_kept.update(counts)
        self._written: set[str] = set()

    def refuse_loss(self, accepted: Counter[str], of: Callable[[str], DataFrame]) -> None:
        """Raises ReplayWouldLose for events that are in bronze and not among `of(entity)`, and for fewer of what the platform told."""
        held = self._held - self._of_kept
        lost = {name: held[name] - accepted[told] for told, name in TOLD.items() if held[name] > accepted[told]}
        entities = [name for name in held if name not in NOT_EVENTS]
        if entities:
            with spark_errors(f"comparing batch {self._batch.number} with what it had brought"):
                rows = reduce(DataFrame.union, [self._missing(entity, of(entity)) for entity in entities]).collect()
            lost |= {row.source: row.missing for row in rows if row.missing}
        if lost:
            raise ReplayWouldLose(self._batch.number, lost)

    def _missing(self, entity: str, fresh: DataFrame) -> DataFrame:
        there = self._there("bronze", entity).where(~sf.col("_object").isin(*self._kept)).select("_object", "_digest")
        now = fresh.select(sf.col("object").alias("_object"), sf.xxhash64("line").alias("_digest")).distinct()
        missing = there.join(now, ["_object", "_digest"], "left_anti")
        return missing.agg(sf.count("*").alias("missing")).select(sf.lit(entity).alias("source"), "missing")

    def write(self, layer: str, name: str, fresh: DataFrame) -> Callable[[], None]:
        """A job that puts `fresh`, and the rows of objects that are gone, in the place of the batch's rows in one table."""
        self._written.add(name)
        if name == "quarantine" and self._held[name]:
            fresh = self._as_old_as_it_is(fresh)
        whole = fresh.unionByName(self._rows_of_kept(layer, name), allowMissingColumns=True) if self._of_kept[name] else fresh
        batch, generation, files = self._batch.number, self._batch.generation, self._batch.files
        return lambda: self._tables.replace_batch(layer, name, whole.coalesce(files), batch=batch, generation=generation)

    def rest(self) -> list[Callable[[], None]]:
        """Jobs for the tables that hold rows of the batch, and get none now: what is left there is of objects that are gone."""
        left = [name for name in self._held if name not in self._written and self._held[name] != self._of_kept[name]]
        layers = {name: "ops" if name in NOT_EVENTS else "bronze" for name in left}
        return [self.write(layer, name, self._there(layer, name).limit(0)) for name, layer in layers.items()]

    def _there(self, layer: str, name: str) -> DataFrame:
        return self._tables.read(layer, name).where(sf.col("_batch") == self._batch.number)

    def _rows_of_kept(self, layer: str, name: str) -> DataFrame:
        return self._there(layer, name).where(sf.col(_object_column(name)).isin(*self._kept))

    def _as_old_as_it_is(self, fresh: DataFrame) -> DataFrame:
        """What is refused again has been in quarantine since it was first refused."""
        since = (
            self._there("ops", "quarantine")
            .groupBy(sf.col("object").alias("o"), sf.col("digest").alias("d"))
            .agg(sf.min("quarantined_at").alias("since"))
        )
        joined = fresh.join(since, (fresh["object"] == since["o"]) & fresh["digest"].eqNullSafe(since["d"]), "left")
        return joined.withColumn("quarantined_at", sf.coalesce("since", "quarantined_at")).select(*fresh.columns)

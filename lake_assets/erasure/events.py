"""Which events go: all of the erased persons, and the rows that were theirs alone.

Belongs here: finding them in bronze, and judging. Not here: taking them away (tables.py, objects.py).

A row's codes are met twice: once to find the rows, once to see whether a row has gone to somebody else, whose it then is. What is found is held in this
process: the events of the erased, without what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.bronze.erased import bucket
from lake_assets.erasure.codes import PERSON, Codes, digest_column, is_theirs, person_digest, row_digest
from lake_assets.erasure.requests import PERSON_ASKED, Pending
from lake_assets.transforms.winners import is_delete
from resources.spark import spark_errors
from resources.tables import LakeTables


@dataclass(frozen=True)
class Met:
    """An event of a row of which at least one event is an erased person's. `upto` is its own person's position, None for anybody else."""

    key: str
    subject: str | None
    seq: int
    digest: int
    op: str
    bucket: int
    object: str
    batch: int
    upto: int | None

    @property
    def theirs(self) -> bool:
        return self.upto is not None and is_theirs(self.op, self.seq, self.upto)


@dataclass(frozen=True)
class Going:
    """What goes of an entity. `living` are the rows of which something stays: what is left of them is written anew."""

    events: list[Met] = field(default_factory=list)
    living: frozenset[str] = frozenset()
    parts: Mapping[str, int] = field(default_factory=dict)
    """Digests of rows of which nothing stays, with their position."""

    persons: Mapping[str, int] = field(default_factory=dict)
    """Codes of persons, with their position."""

    returned: frozenset[str] = frozenset()
    """Codes of persons of whom the platform has written again since."""

    @property
    def keys(self) -> set[str]:
        return {event.key for event in self.events}

    @property
    def gone_keys(self) -> dict[str, int]:
        """Keys of which nothing stays, with the position up to which they are erased."""
        return {event.key: event.upto for event in self.events if event.upto is not None and event.key not in self.living}


def find(tables: LakeTables, names: Sequence[str], pending: Pending) -> Going:
    """What goes of one entity; `names` are all that it has had, the present one first. Raises SparkFailed."""
    entity = names[0]
    rows = [(code, asked.upto, asked.what) for code, asked in pending.items()]
    asked = sf.broadcast(tables.spark.createDataFrame(rows, "code STRING, upto BIGINT, what STRING").coalesce(1))
    bronze = tables.read("bronze", entity)
    persons, keys = asked.where(sf.col("what") == PERSON_ASKED), asked.where(sf.col("what") != PERSON_ASKED)
    # Each is a digest of every row of bronze: only what was asked for is looked for.
    by = [(persons, digest_column(PERSON, sf.col("_subject")))] if any(row[2] == PERSON_ASKED for row in rows) else []
    by += [(keys, digest_column(name, sf.col("_key"))) for name in names if any(row[2] != PERSON_ASKED for row in rows)]
    with spark_errors(f"looking for the rows of erased persons in {entity}"):
        theirs = [bronze.select("_key", digest.alias("code")).join(wanted, "code").select("_key") for wanted, digest in by]
        found = reduce(DataFrame.union, theirs).distinct().collect()
        if not found:
            return Going()
        own = tables.spark.createDataFrame([(row._key,) for row in found], "_key STRING").coalesce(1)
        met = (
            bronze.join(sf.broadcast(own), "_key", "left_semi")
            .withColumn("bucket", bucket())
            .select("_key", "_subject", "_seq", "_digest", "_op", "bucket", "_object", "_batch")
            .withColumn("person", digest_column(PERSON, sf.col("_subject")))
            .collect()
        )
    return judge(
        names,
        [
            Met(
                row._key, row._subject, row._seq, row._digest, row._op, row.bucket, row._object, row._batch,
                pending[row.person].upto if row.person in pending else None,
            )
            for row in met
        ],
        pending,
    )  # fmt: skip


def judge(names: Sequence[str], met: Iterable[Met], pending: Pending) -> Going:
    """Which of the events go, from all events of the rows that they are of. `names` are all that their entity has had, the present one first."""
    by_key: dict[str, list[Met]] = {}
    for event in met:
        by_key.setdefault(event.key, []).append(event)
    going: list[Met] = []
    living, parts = set(), {}
    for key, events in by_key.items():
        digests = [row_digest(name, key) for name in names]
        asked = max((pending[each].upto or 0 for each in digests if each in pending), default=None)
        uptos = [event.upto for event in events if event.upto is not None]
        somebody_elses = any(event.subject is not None and not event.theirs for event in events)
        of_row = asked if asked is not None else (None if somebody_elses else max(uptos, default=None))
        # Events without a person, and a row that was asked for by itself, follow the row.
        mine = [_of_row(event, of_row) if event.upto is None else event for event in events]
        gone = [event for event in mine if event.theirs]
        going += gone
        if not gone:  # all of it is of later, when its person had come back: it stays as it is
            continue
        if len(gone) < len(events):
            living.add(key)
        elif of_row is not None:
            parts[digests[0]] = of_row
    every = [event for events in by_key.values() for event in events if event.subject is not None and event.upto is not None]
    persons = {str(event.subject): event.upto or 0 for event in every if event.theirs}
    returned = {str(event.subject) for event in every if event.subject in persons and not event.theirs}
    return Going(going, frozenset(living), parts, persons, frozenset(returned))


def _of_row(event: Met, upto: int | None) -> Met:
    return Met(event.key, event.subject, event.seq, event.digest, event.op, event.bucket, event.object, event.batch, upto)


def codes_of(found: Mapping[str, Going], pending: Pending, names: Mapping[str, Sequence[str]]) -> Codes:
    """What to look for in bytes: codes as far as bronze names them, digests where it does not. `names` are all that each entity has had."""
    known: dict[str, int] = {}
    named: set[str] = set()
    for entity, going in found.items():
        known |= going.persons
        named |= {person_digest(code) for code in going.persons}
        for key, upto in going.gone_keys.items():
            known.setdefault(key, upto)
            named |= {row_digest(name, key) for name in names[entity]}
    unknown = {code: asked for code, asked in pending.items() if code not in named}
    persons = {code: asked.upto or 0 for code, asked in unknown.items() if asked.what == PERSON_ASKED}
    rows = {code: asked.upto or 0 for code, asked in unknown.items() if asked.what != PERSON_ASKED}
    return Codes(known, persons, rows, tuple(chain.from_iterable(names.values())))


def came_back(tables: LakeTables, names: Sequence[str], codes: Codes) -> set[str]:
    """Digests, of those that are looked for by one, of whom bronze still has something written: it is of after they were erased, and stays. Raises SparkFailed.

    Asked once bronze has lost what goes. `names` are all that the entity has had, the present one first.
    """
    written = tables.read("bronze", names[0]).where(~is_delete())
    looked_for = [(codes.persons, digest_column(PERSON, sf.col("_subject")))]
    looked_for += [(codes.rows, digest_column(name, sf.col("_key"))) for name in names]
    found: set[str] = set()
    for digests, of in looked_for:
        if digests:
            asked = tables.spark.createDataFrame(sorted(digests.items()), "code STRING, upto BIGINT").coalesce(1)
            later = written.select(of.alias("code"), "_seq").join(sf.broadcast(asked), "code").where("_seq > upto")
            with spark_errors(f"looking for persons who came back in {names[0]}"):
                found |= {row.code for row in later.select("code").distinct().collect()}
    return found

"""Does the lake say what the platform's tables say? Digests of their state, held against history, and silver against both.

Belongs here: which digest to compare, and the comparison. Not here: making digests (publisher/digest.py), what is known of each part (parts.py), the
check that shows it (assets/completeness.py).

Manifests prove that what was captured has arrived. A digest tells what the rows said in one snapshot, in 256 parts, so it also finds what nobody
captured, and what was altered later. It is compared once it is known up to its `seq_high` what has arrived and what is lost, and history has come so
far. History says what was true at `seq_low`; silver must say the same of every key that has no event since. A part is left
out where somebody was erased since, where an event lies between `seq_low` and `seq_high`, where a row could not leave, or where rows left under another
contract than the digest: the next one tells of it. A digest under a former contract is compared by what that one names, and not at all once a field of
it was withdrawn.
"""

# ruff: noqa: S608 (names from contracts, and numbers)
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import Row

from lake_assets.completeness.parts import Parts, remembered, state_progress
from lake_assets.raw import progress
from lake_assets.raw.batches import ERASURES
from lake_assets.raw.session import interpreted
from lake_assets.silver.history import history_progress
from lake_assets.transforms.rules import former_versions
from publisher.contracts import Contract
from publisher.wire import BUCKETS, DELETES
from resources.spark import spark_errors
from resources.tables import LakeTables

NEWEST = 3
"""History may not be as far as the newest digest: then one before it is compared."""


@dataclass(frozen=True)
class StateVerdict:
    """The last digest compared, and what is known of each part by it and all before. `left_out` says how many it could not be held against.

    `compared` is 0 where digests have come, and none can be compared yet.
    """

    entity: str
    seq_low: int
    seq_high: int
    as_of_micros: int
    rows: int
    compared: int
    left_out: int
    parts: Parts

    @property
    def as_of(self) -> datetime:
        return datetime.fromtimestamp(self.as_of_micros / 1_000_000, UTC)

    @property
    def differing(self) -> tuple[int, ...]:
        """The parts that say other things, or did when they were last compared."""
        return tuple(sorted(self.parts.differing))

    def not_since(self, moment: datetime) -> tuple[int, ...]:
        """The parts that were last compared before a moment."""
        return tuple(part for part, at in enumerate(self.parts.compared_at) if at < moment.timestamp())


@dataclass(frozen=True)
class _Digest:
    """A whole digest that has come. The time is the platform's."""

    seq_low: int
    seq_high: int
    as_of_micros: int
    version: str
    """Of the contract under which it was made."""


def verify_states(
    tables: LakeTables,
    contracts: Mapping[str, Contract],
    known_to: Mapping[str, int | None],
    released: Iterable[Contract] = (),
) -> dict[str, StateVerdict]:
    """What digests tell of each entity of which one has come. `known_to`: up to which position it is known what is there and what is lost.

    `released` are all versions that a digest may have been made under. The newest that can be compared is, once; what it says of each part is
    remembered. Raises SparkFailed.
    """
    found: dict[str, StateVerdict] = {}
    released = list(released)
    if not any(known_to.values()):  # asked before the first batch has made the tables
        return found
    with interpreted(tables.spark):
        known = progress.read_all(tables)
        verdicts = {entity: _remembered(entity, known.get(state_progress(entity))) for entity in contracts}
        done = {entity: verdict.seq_high if verdict else 0 for entity, verdict in verdicts.items()}
        digests = _digests(tables, done)
        for entity, contract in contracts.items():
            verdict, later = verdicts[entity], sorted(digests.get(entity, []), key=lambda each: -each.seq_high)
            if later and verdict is None:
                first = min(each.as_of_micros for each in later)
                verdict = StateVerdict(entity, 0, 0, first, 0, 0, BUCKETS, Parts.first_told(first // 1_000_000))
            able = [each for each in later if each.seq_high <= (known_to.get(entity) or 0)]
            told = next((each for each in able[:NEWEST] if _history_has(tables, entity, known, each.seq_high)), None)
            if told is not None and verdict is not None:
                names = _fields(contract, told.version, released)
                verdict = _compare(tables, contract, names, told, verdict.parts, erased=ERASURES in known)
                progress.write(tables, state_progress(entity), position=verdict.seq_high, note=_note(verdict))
            if verdict is not None:
                found[entity] = verdict
    return found


NUMBERS = ("seq_low", "seq_high", "as_of_micros", "rows", "compared", "left_out")


def _note(verdict: StateVerdict) -> str:
    return json.dumps({**{name: getattr(verdict, name) for name in NUMBERS}, "parts": verdict.parts.to_json()})


def _remembered(entity: str, known: progress.Progress | None) -> StateVerdict | None:
    parts = remembered(known)
    if known is None or known.note is None or parts is None:
        return None
    said = json.loads(known.note)
    return StateVerdict(entity=entity, parts=parts, **{name: said[name] for name in NUMBERS})


def _digests(tables: LakeTables, done: Mapping[str, int]) -> dict[str, list[_Digest]]:
    """Of each entity the whole digests after the last one compared."""
    later = " OR ".join(f"(of = '{entity}' AND seq_high > {position})" for entity, position in done.items())
    whole = (
        f"SELECT of, seq_low, seq_high, unix_micros(max(as_of)) AS as_of, max(released_as) AS released_as FROM {tables.sql_name('ops', 'states')} WHERE {later}"
        f" GROUP BY of, seq_low, seq_high HAVING count(DISTINCT bucket) = {BUCKETS}"
    )
    with spark_errors("looking for digests of the platform's state"):
        rows = tables.spark.sql(whole).collect()
    found: dict[str, list[_Digest]] = {}
    for row in rows:
        found.setdefault(row.of, []).append(_Digest(row.seq_low, row.seq_high, row.as_of, row.released_as))
    return found


def _history_has(tables: LakeTables, entity: str, known: Mapping[str, progress.Progress], seq_high: int) -> bool:
    """Whether history has every event up to a position that bronze has."""
    behind = known[name].position or 0 if (name := history_progress(entity)) in known else 0
    missing = f"SELECT 1 FROM {tables.sql_name('bronze', entity)} WHERE _batch > {behind} AND _seq <= {seq_high} LIMIT 1"
    with spark_errors(f"asking how far the history of {entity} is"):
        return not tables.spark.sql(missing).collect()


def _fields(contract: Contract, version: str, released: Iterable[Contract]) -> list[str] | None:
    """What a row says under a version, in its order; None where the lake does not know the version, or has not all of it any more."""
    under = next((each for each in (contract, *former_versions(contract, released)) if each.version == version), None)
    names = [] if under is None else [field.name for field in under.fields]
    return names if names and set(names) <= {field.name for field in contract.fields} else None


def _compare(
    tables: LakeTables, contract: Contract, names: list[str] | None, told: _Digest, before: Parts, *, erased: bool
) -> StateVerdict:
    """`names`: the fields that the digest is of; None where it can be held against nothing, and silver against history alone."""
    seq_low, seq_high = told.seq_low, told.seq_high
    query = _query(tables, contract.entity, names or [contract.fields[0].name], seq_low, seq_high, erased)
    with spark_errors(f"comparing the state of {contract.entity}"):
        rows = tables.spark.sql(query).collect()
        stale = _stale(rows)
        if stale:
            # A batch that was merged while the query began shows in one table and not in the other: not in both of two looks.
            stale &= _stale(tables.spark.sql(query).collect())
    able = {row.bucket for row in rows if names and not (row.moved or row.former or row.unreleased)}
    other = {row.bucket for row in rows if (row.rows, int(row.digest)) != (row.held_rows, int(row.held_digest) % 2**64)}
    as_of = max(row.as_of for row in rows)
    parts = before.after((seq_low, seq_high), as_of // 1_000_000, able, able & other | stale)
    return StateVerdict(
        contract.entity, seq_low, seq_high, as_of, sum(row.rows for row in rows), len(able), len(rows) - len(able), parts
    )


def _stale(rows: list[Row]) -> set[int]:
    """The parts in which silver and history do not say the same of keys that have no event since."""
    return {row.bucket for row in rows if (row.past_rows, row.past_digest) != (row.now_rows, row.now_digest)}


def _query(tables: LakeTables, entity: str, names: Iterable[str], seq_low: int, seq_high: int, erased: bool) -> str:
    """One row a part: what the digest says, what history and silver hold, and why it may not be comparable."""
    fields = ", ".join(f"`{name}`" for name in names)
    deletes = ", ".join(f"'{op}'" for op in sorted(DELETES))
    row = f"_key, xxhash64(_key) & {BUCKETS - 1} AS bucket, CAST(xxhash64(to_json(struct({fields}), map('ignoreNullFields', 'false'))) AS DECIMAL(38, 0)) AS said"
    told = (
        f"SELECT DISTINCT bucket, rows, unreleased, digest, released_as, unix_micros(as_of) AS as_of"
        f" FROM {tables.sql_name('ops', 'states')} WHERE of = '{entity}' AND seq_low = {seq_low} AND seq_high = {seq_high}"
    )
    held = (
        f"SELECT {row}, _contract FROM {tables.sql_name('silver', f'{entity}_history')}"
        f" WHERE _seq_from <= {seq_low} AND coalesce(_seq_to > {seq_low}, true) AND _op NOT IN ({deletes})"
    )
    now = f"SELECT {row} FROM {tables.sql_name('silver', entity)} WHERE _seq <= {seq_low}"
    later = f"SELECT DISTINCT _key FROM {tables.sql_name('bronze', entity)} WHERE _seq > {seq_low}"
    moved = (
        f"SELECT DISTINCT xxhash64(_key) & {BUCKETS - 1} AS bucket, true AS moved FROM {tables.sql_name('bronze', entity)}"
        f" WHERE _seq > {seq_low} AND _seq <= {seq_high}"
    )
    if erased:  # of whom the digest still told
        moved += f" UNION SELECT bucket, true AS moved FROM {tables.sql_name('ops', 'adjustments')} WHERE entity = '{entity}' AND upto > {seq_low}"
    return f"""
        WITH told AS ({told}), since AS ({later}), moved AS ({moved}), held AS (
          SELECT bucket, count(*) AS rows, sum(said) AS digest, collect_set(_contract) AS contracts,
            count_if(since._key IS NULL) AS past_rows, sum(said) FILTER (WHERE since._key IS NULL) AS past_digest
          FROM ({held}) one LEFT JOIN since ON since._key = one._key GROUP BY bucket
        ), now AS (
          SELECT bucket, count(*) AS rows, sum(said) AS digest FROM ({now}) one LEFT ANTI JOIN since ON since._key = one._key GROUP BY bucket
        )
        SELECT t.*, coalesce(h.rows, 0) AS held_rows, coalesce(h.digest, 0) AS held_digest, coalesce(m.moved, false) AS moved,
          coalesce(size(array_except(h.contracts, array(t.released_as))) > 0, false) AS former,
          coalesce(h.past_rows, 0) AS past_rows, coalesce(h.past_digest, 0) AS past_digest,
          coalesce(n.rows, 0) AS now_rows, coalesce(n.digest, 0) AS now_digest
        FROM told t LEFT JOIN held h ON h.bucket = t.bucket LEFT JOIN moved m ON m.bucket = t.bucket
          LEFT JOIN now n ON n.bucket = t.bucket ORDER BY t.bucket"""

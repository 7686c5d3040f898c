"""Does the lake say what the platform's tables say? Digests of their state, held against history.

Belongs here: which digest to compare, and the comparison. Not here: making digests (publisher/digest.py), the check that shows it (assets/completeness.py).

Manifests prove that what was captured has arrived. A digest tells what the rows said in one snapshot, in 256 parts, so it also finds what nobody
captured, and what was altered later. It is compared once the lake is proven complete up to its `seq_high` and history has come so far. A part is left
out where somebody was erased since, where an event lies between `seq_low` and `seq_high`, where a row could not leave, or where rows left under a former contract: the next digest
tells of it.
"""

# ruff: noqa: S608 (names from contracts, and numbers)
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from lake_assets.raw import progress
from lake_assets.raw.batches import ERASURES
from lake_assets.raw.session import interpreted
from lake_assets.silver.history import history_progress
from lake_assets.transforms import schemas
from publisher.contracts import Contract
from publisher.wire import BUCKETS, DELETES
from resources.spark import spark_errors
from resources.tables import LakeTables

NEWEST = 3
"""History may not be as far as the newest digest: then one before it is compared."""


@dataclass(frozen=True)
class StateVerdict:
    """One digest compared. `differing` are the parts that say other things; `left_out` says how many could not be compared."""

    entity: str
    seq_low: int
    seq_high: int
    as_of_micros: int
    rows: int
    compared: int
    left_out: int
    differing: tuple[int, ...]

    @property
    def as_of(self) -> datetime:
        return datetime.fromtimestamp(self.as_of_micros / 1_000_000, UTC)


def verify_states(
    tables: LakeTables, contracts: Mapping[str, Contract], complete_to: Mapping[str, int | None]
) -> dict[str, StateVerdict]:
    """The verdict on the newest digest of each entity that can be compared; none where none has come yet. `complete_to` is a position.

    A digest is compared once; after that its verdict is remembered. Raises SparkFailed.
    """
    found: dict[str, StateVerdict] = {}
    if not any(complete_to.values()):  # asked before the first batch has made the tables
        return found
    with interpreted(tables.spark):
        known = progress.read_all(tables)
        verdicts = {entity: _remembered(known.get(_name(entity))) for entity in contracts}
        done = {entity: verdict.seq_high if verdict else 0 for entity, verdict in verdicts.items()}
        digests = _digests(tables, done, complete_to)
        for entity, contract in contracts.items():
            verdict = verdicts[entity]
            later = sorted(digests.get(entity, []), key=lambda each: each[1], reverse=True)
            told = next((each for each in later[:NEWEST] if _history_has(tables, entity, each[1])), None)
            if told is not None:
                verdict = _compare(tables, contract, *told, erased=ERASURES in known)
                progress.write(tables, _name(entity), position=verdict.seq_high, note=json.dumps(asdict(verdict)))
            if verdict is not None:
                found[entity] = verdict
    return found


def _name(entity: str) -> str:
    return f"state/{entity}"


def _remembered(known: progress.Progress | None) -> StateVerdict | None:
    if known is None or not known.note:
        return None
    said = json.loads(known.note)
    return StateVerdict(**{**said, "differing": tuple(said["differing"])})


def _digests(
    tables: LakeTables, done: Mapping[str, int], complete_to: Mapping[str, int | None]
) -> dict[str, list[tuple[int, int]]]:
    """Of each entity the ranges of the whole digests after the last one compared, up to which it is proven complete."""
    limits = " OR ".join(
        f"(of = '{entity}' AND seq_high > {done.get(entity, 0)} AND seq_high <= {position})"
        for entity, position in complete_to.items()
        if position
    )
    if not limits:
        return {}
    whole = (
        f"SELECT of, seq_low, seq_high FROM {tables.sql_name('ops', 'states')} WHERE {limits}"
        f" GROUP BY of, seq_low, seq_high HAVING count(DISTINCT bucket) = {BUCKETS}"
    )
    with spark_errors("looking for digests of the platform's state"):
        rows = tables.spark.sql(whole).collect()
    found: dict[str, list[tuple[int, int]]] = {}
    for row in rows:
        found.setdefault(row.of, []).append((row.seq_low, row.seq_high))
    return found


def _history_has(tables: LakeTables, entity: str, seq_high: int) -> bool:
    """Whether history has every event up to a position that bronze has."""
    known = progress.read(tables, history_progress(entity))
    behind = known.position or 0 if known else 0
    missing = f"SELECT 1 FROM {tables.sql_name('bronze', entity)} WHERE _batch > {behind} AND _seq <= {seq_high} LIMIT 1"
    with spark_errors(f"asking how far the history of {entity} is"):
        return not tables.spark.sql(missing).collect()


def _compare(tables: LakeTables, contract: Contract, seq_low: int, seq_high: int, *, erased: bool = False) -> StateVerdict:
    entity = contract.entity
    fields = ", ".join(f"`{name}`" for name, *_ in schemas.record(contract))
    deletes = ", ".join(f"'{op}'" for op in sorted(DELETES))
    told = (
        f"SELECT DISTINCT bucket, rows, unreleased, digest, released_as, unix_micros(as_of) AS as_of"
        f" FROM {tables.sql_name('ops', 'states')} WHERE of = '{entity}' AND seq_low = {seq_low} AND seq_high = {seq_high}"
    )
    held = (
        f"SELECT xxhash64(_key) & {BUCKETS - 1} AS bucket, xxhash64(to_json(struct({fields}), map('ignoreNullFields', 'false'))) AS said, _contract"
        f" FROM {tables.sql_name('silver', f'{entity}_history')}"
        f" WHERE _seq_from <= {seq_low} AND coalesce(_seq_to > {seq_low}, true) AND _op NOT IN ({deletes})"
    )
    moved = (
        f"SELECT DISTINCT xxhash64(_key) & {BUCKETS - 1} AS bucket, true AS moved FROM {tables.sql_name('bronze', entity)}"
        f" WHERE _seq > {seq_low} AND _seq <= {seq_high}"
    )
    if erased:  # of whom the digest still told
        moved += f" UNION SELECT bucket, true AS moved FROM {tables.sql_name('ops', 'adjustments')} WHERE entity = '{entity}' AND upto > {seq_low}"
    query = f"""
        WITH told AS ({told}), held AS (
          SELECT bucket, count(*) AS rows, sum(CAST(said AS DECIMAL(38, 0))) AS digest, collect_set(_contract) AS contracts
          FROM ({held}) GROUP BY bucket
        ), moved AS ({moved})
        SELECT t.*, coalesce(h.rows, 0) AS held_rows, coalesce(h.digest, 0) AS held_digest, coalesce(m.moved, false) AS moved,
          coalesce(size(array_except(h.contracts, array(t.released_as))) > 0, false) AS former
        FROM told t LEFT JOIN held h ON h.bucket = t.bucket LEFT JOIN moved m ON m.bucket = t.bucket ORDER BY t.bucket"""
    with spark_errors(f"comparing the state of {entity}"):
        rows = tables.spark.sql(query).collect()
    able = [row for row in rows if not (row.moved or row.former or row.unreleased)]
    differing = [row.bucket for row in able if (row.rows, int(row.digest)) != (row.held_rows, int(row.held_digest) % 2**64)]
    return StateVerdict(
        entity, seq_low, seq_high, max(row.as_of for row in rows), sum(row.rows for row in rows), len(able), len(rows) - len(able), tuple(differing),
    )  # fmt: skip

"""`publisher risk`: counts the people behind each combination over all current rows, keeps the coarsening, and sends again what it changed.

Belongs here: the order of the steps. Not here: the assignment (assign.py), statements on the coarsening (store.py), arguments (cli.py).

The rows are read in one snapshot of the database, so no row is counted twice. A row that could not leave (a dead letter) counts for nobody. What is
written between the snapshot and the new version is released under the old one; if its combination is new, it says nothing until the next assessment.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import psycopg

from publisher import backfill
from publisher.capture.install import entity_sql
from publisher.contracts.kgroups import KGroup, groups_of
from publisher.contracts.model import Contract
from publisher.database import Connection, literal, translate
from publisher.erasure.remembered import load_erased
from publisher.errors import InstallError, Unreleasable
from publisher.release import Change, Release
from publisher.risk import store
from publisher.risk.assign import Classes, Combination, People, assign, measure
from publisher.wire import RISK

logger = logging.getLogger("publisher.risk")

PAGE_ROWS = 2_000
RISK_LOCK = 0x7269736B


@dataclass(frozen=True)
class Assessment:
    """One k-group over all current rows: as its fields are, and as they leave. `version` is the coarsening's; 0 where nothing was kept."""

    group: KGroup
    version: int
    before: Classes
    people_below_k: int
    after: Classes

    @property
    def counts(self) -> dict[str, int]:
        """As the report tells it: numbers of people and of groups of people."""
        return {
            "version": self.version, "k": self.group.k, "people": self.after.people, "groups": self.after.groups, "smallest": self.after.smallest,
            "silent": self.after.silent, "coarsened": self.after.people - self.after.by_step[0], "people_below_k": self.people_below_k,
            "groups_before": self.before.groups, "smallest_before": self.before.smallest,
        }  # fmt: skip


@dataclass
class _Counted:
    people: dict[Combination, People] = field(default_factory=dict)
    raws: dict[Combination, tuple[Any, ...]] = field(default_factory=dict)
    """Of each combination the source values of one row: all rows of a combination say the same at every step."""


def assess(
    connection: Connection,
    contracts: Mapping[str, Contract],
    release: Release,
    entity: str,
    *,
    dry_run: bool = False,
    stop: threading.Event | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[Assessment]:
    """Assesses the k-groups of an entity; unless it is a dry run, keeps the coarsening, sends the report, and sends changed rows again.

    Goes on where an earlier call was stopped while sending. Raises InstallError when another assessment runs.
    """
    stop = stop or threading.Event()
    if not groups_of(contracts[entity]):
        return []
    try:
        if not _locked(connection):
            raise InstallError("another assessment of risk runs in this database, or a digest: wait for it, or stop it")
        counted = _count(connection, contracts, release, entity)
        found = [
            _assess_group(connection, release, group, counted[group.name], dry_run) for group in groups_of(contracts[entity])
        ]
        if not dry_run:
            resent = _send_again(connection, contracts, release, entity, stop, report)
            logger.info("risk assessed", extra={"fields": {"entity": entity, "rows_sent_again": resent}})
        connection.execute("SELECT pg_advisory_unlock(%s)", [RISK_LOCK])
    except psycopg.Error as error:
        raise translate(error, f"risk {entity}") from None
    return found


def _count(connection: Connection, contracts: Mapping[str, Contract], release: Release, entity: str) -> dict[str, _Counted]:
    counted = {group.name: _Counted() for group in groups_of(contracts[entity])}
    contract = contracts[entity]
    one_row_each = [(step.table, step.column) for step in contract.subject] == [
        (contract.table, contract.key_column)
    ] or not contract.subject
    for key, subject, members in _rows(connection, contracts, release, entity):
        for name, (group, raws) in members.items():
            combination, into = group.say(raws, 0), counted[name]
            into.raws.setdefault(combination, raws)
            if one_row_each:
                into.people[combination] = cast("int", into.people.get(combination, 0)) + 1
            else:
                cast("set[str]", into.people.setdefault(combination, set())).add(subject or key)
    return counted


def _rows(
    connection: Connection, contracts: Mapping[str, Contract], release: Release, entity: str
) -> Iterator[tuple[str, str | None, dict[str, tuple[KGroup, tuple[Any, ...]]]]]:
    """Key, subject and the values of each k-group, of every row that could leave. Who was erased is in nobody's crowd."""
    sql, _ = entity_sql(connection, contracts, entity)
    erased = load_erased(connection, contracts, release.keyring)
    now = datetime.now(UTC)  # of no consequence: members have no time
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        with connection.cursor("risk") as cursor:
            cursor.itersize = PAGE_ROWS
            for key, subject, row in cast("Iterable[tuple[str, str | None, str]]", cursor.execute(literal(sql.scan()))):
                if erased.is_of(entity, subject):
                    continue
                try:
                    members = release.members(Change(entity, "snapshot", 0, now, key, subject, orjson.loads(row)))
                except Unreleasable:
                    continue
                yield key, subject, members


def _assess_group(connection: Connection, release: Release, group: KGroup, counted: _Counted, dry_run: bool) -> Assessment:
    def say(combination: Combination, step: int) -> Combination:
        return group.say(counted.raws[combination], step)

    with connection.transaction():
        connection.execute("LOCK TABLE publisher.coarsenings IN SHARE ROW EXCLUSIVE MODE")
        connection.execute("SELECT pg_current_xact_id()")  # before nextval: see manifest.py
        digests = {combination: release.digest(group, combination) for combination in counted.people}
        known = store.floors(connection, group)
        steps = assign(group, counted.people, {c: known[d] for c, d in digests.items() if d in known}, say)
        usable = store.assessed(connection, group)
        # What was assessed for other fields or a smaller k, the relay has left silent since: all of it is sent again.
        changed = {digests[c]: step for c, step in steps.items() if not usable or known.get(digests[c]) != step}
        version = 0
        if not dry_run:
            version = store.add_version(connection, group, changed) if changed or not usable else store.latest(connection)
        before = measure(group, counted.people, {}, say)
        below = sum(n for n in (_people(each) for each in counted.people.values()) if n < group.k)
        found = Assessment(group, version, before, below, measure(group, counted.people, steps, say))
        if not dry_run:
            row = orjson.dumps({"of": group.entity, "kgroup": group.name, "counts": found.counts}).decode()
            connection.execute(SEND_REPORT, [RISK, f"{group.entity}.{group.name}", row])
    return found


def _send_again(
    connection: Connection,
    contracts: Mapping[str, Contract],
    release: Release,
    entity: str,
    stop: threading.Event,
    report: Callable[[str], None],
) -> int:
    """Puts the rows whose combinations got another step into the outbox, in chunks, throttled as a backfill is. How many."""
    versions, changed = store.unsent(connection, groups_of(contracts[entity]))
    if not changed:
        store.mark_sent(connection, versions, 0)
        return 0
    sent = 0
    sql, key_type = entity_sql(connection, contracts, entity)
    keys = [
        key
        for key, _, members in _rows(connection, contracts, release, entity)
        if any(release.digest(group, group.say(raws, 0)) in changed for group, raws in members.values())
    ]
    for start in range(0, len(keys), backfill.CHUNK_ROWS):
        sent += backfill.resend(connection, sql.resend(key_type), keys[start : start + backfill.CHUNK_ROWS], stop)
        if stop.is_set():
            report(f"{entity}: stopped after {sent:,} of {len(keys):,} rows that say other things now: give the command again")
            return sent
        report(f"{entity}: {sent:,} of {len(keys):,} rows sent again")
    store.mark_sent(connection, versions, sent)
    return sent


def _people(people: People) -> int:
    return people if isinstance(people, int) else len(people)


def _locked(connection: Connection) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [RISK_LOCK]).fetchone()
    return bool(row and row[0])


SEND_REPORT = "INSERT INTO publisher.outbox (seq, entity, op, key, row) VALUES (nextval('publisher.seq'), %s, 'report', %s, %s)"

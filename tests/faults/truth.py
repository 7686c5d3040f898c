"""What truly happened in the platform's database, and whether the stream tells it.

Belongs here: an observer that shares nothing with the relay, and the promises as comparisons. Not here: making things happen (machine.py).

A trigger of the test's own on the outbox notes each captured change in a table of its own, in the same transaction. So a change is known exactly
if it was committed, whatever becomes of the outbox.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import dict_row

from publisher.wire import MANIFEST, RISK, digest_of
from tests.faults.kinesis import Put
from tests.integration.oracle import K_GROUP, Oracle, may_say

SHADOW = """
CREATE TABLE shadow (seq bigint, entity text, key text, observed boolean NOT NULL DEFAULT false);
CREATE FUNCTION note_captured() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  INSERT INTO public.shadow VALUES (NEW.seq, NEW.entity, NEW.key); RETURN NULL; END $$;
CREATE TRIGGER noted AFTER INSERT ON publisher.outbox FOR EACH ROW EXECUTE FUNCTION note_captured();
-- A trigger of the platform's own that writes once more to a row that was just written.
CREATE FUNCTION write_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF pg_trigger_depth() = 1 THEN UPDATE creditors SET name = name || '.' WHERE id = NEW.id AND length(name) < 40; END IF; RETURN NULL; END $$;
CREATE TRIGGER writes_again AFTER UPDATE ON creditors FOR EACH ROW EXECUTE FUNCTION write_again();
"""

WAITING = "SELECT entity, key FROM publisher.dead_letters WHERE state IN ('parked', 'waiting', 'requeued')"
TABLES = {"creditors": "creditor", "customers": "customer", "debts": "debt"}

Key = tuple[str, str]


@dataclass
class Truth:
    """The committed changes, in the order in which their transactions committed, per source key."""

    connection: psycopg.Connection[Any]
    oracle: Oracle
    commits: dict[Key, list[int]] = field(default_factory=lambda: defaultdict(list))
    entity_of: dict[int, str] = field(default_factory=dict)
    renumbered: set[int] = field(default_factory=set)
    excused_below: int = 0

    def observe(self) -> None:
        """To be called after each transaction."""
        rows = self.connection.execute(
            "UPDATE shadow SET observed = true WHERE NOT observed RETURNING seq, entity, key"
        ).fetchall()
        for seq, entity, key in sorted(rows):
            if seq not in self.entity_of:  # a dead letter's row comes back under its number
                self.entity_of[seq] = entity
                self.commits[entity, key].append(seq)

    def after_a_crash(self, committed: Iterable[int]) -> int:
        """The database came back with what it had kept; what is gone counts as never committed. Of `committed`, as a writer was told, how many are gone."""
        kept = {row[0] for row in self.connection.execute("SELECT seq FROM shadow")}
        for key, seqs in self.commits.items():
            self.commits[key] = [seq for seq in seqs if seq in kept]
        self.entity_of = {seq: entity for seq, entity in self.entity_of.items() if seq in kept}
        self.commits = defaultdict(list, {key: seqs for key, seqs in self.commits.items() if seqs})
        return len(set(committed) - kept)

    def before_new_numbers(self) -> None:
        """An epoch is about to begin: what waits will leave under other numbers, and may have left under these."""
        waits = "SELECT seq FROM publisher.outbox UNION ALL SELECT seq FROM publisher.parked"
        self.renumbered |= {row[0] for row in self.connection.execute(waits)}

    def violations(self, puts: list[Put]) -> list[str]:
        """What the stream does not tell as it was, once everything has been given time to arrive."""
        arrived = _Arrived.of(puts)
        parked = dict(self.connection.execute("SELECT seq, entity FROM publisher.dead_letters WHERE state <> 'sent'").fetchall())
        expected = set(self.entity_of) - self.renumbered
        found = [f"lost: {seq} of {self.entity_of[seq]}" for seq in sorted(expected - arrived.lines.keys() - parked.keys())]
        found += [f"never committed: {seq}" for seq in sorted(arrived.lines.keys() - set(self.entity_of))]
        found += [f"several contents: {seq}" for seq, lines in arrived.lines.items() if len(lines) > 1]
        found += [f"numbered against the commits: {key[0]}" for key, seqs in self.commits.items() if seqs != sorted(seqs)]
        # What waited when an epoch began left again under a new number; what comes late under the old one is a repeat of it.
        first = {key: [seq for seq in seqs if seq not in self.renumbered] for key, seqs in arrived.first.items()}
        found += [f"first deliveries out of order: {key[0]}" for key, seqs in first.items() if seqs != sorted(seqs)]
        found += self._states(arrived)
        return [*found, *self._manifests(arrived, parked)]

    def _states(self, arrived: _Arrived) -> Iterable[str]:
        """Of each key the last event against the row that the platform holds, told by hand. Keys with a dead letter wait."""
        waiting = set(self.connection.execute(WAITING).fetchall())
        for entity, kind in TABLES.items():
            with self.connection.cursor(row_factory=dict_row) as cursor:
                rows = {str(row["id"]): row for row in cursor.execute(f"SELECT * FROM {entity}")}
            captured = {key for of, key in self.commits if of == entity}
            if missing := rows.keys() - captured:
                yield f"not captured: {len(missing)} of {entity}"
            for key in captured:
                if (entity, key) in waiting:
                    continue
                last = arrived.last.get((entity, str(self.oracle.code(kind, int(key)))))
                if last is None:
                    yield f"nothing arrived of a key of {entity}"
                elif key not in rows:
                    if last["op"] != "delete":
                        yield f"a deleted row of {entity} is alive in the stream: {last['seq']}"
                elif "record" not in last or not self._says(entity, last["record"], rows[key]):
                    yield f"the last event of a row of {entity} is not the row: {last['seq']}"

    def _says(self, entity: str, record: dict[str, Any], row: dict[str, Any]) -> bool:
        wanted = json.loads(json.dumps(self.oracle.record(entity, row), default=str))
        coarse = K_GROUP if entity == "customers" else ()
        told = {name: may_say(name, self.oracle.record(entity, row)[name]) for name in coarse}
        return all(record[name] == value for name, value in wanted.items() if name not in coarse) and all(
            record[name] in {each if each is None or isinstance(each, (bool, str)) else str(each) for each in may}
            for name, may in told.items()
        )

    def _manifests(self, arrived: _Arrived, parked: dict[int, str]) -> Iterable[str]:
        """Each manifest against what arrived in its range. Of ranges before a new epoch, what was on its way is in no count."""
        latest: dict[tuple[str, int], dict[str, Any]] = {}
        for each in arrived.manifests:
            known = latest.get((each["of"], each["seq_to"]))
            if known is None or each["revision"] >= known["revision"]:
                latest[each["of"], each["seq_to"]] = each
        for (of, seq_to), each in latest.items():
            if each["seq_from"] < self.excused_below:
                continue
            seqs = [s for s, entity in self.entity_of.items() if entity == of and each["seq_from"] < s <= seq_to]
            there = [s for s in seqs if s in arrived.lines]
            digest = sum(digest_of(next(iter(arrived.lines[s]))) for s in there) % 2**64
            if (each["events"], int(each["digest"])) != (len(there), digest):
                yield f"a manifest of {of} up to {seq_to} says {each['events']} events, {len(there)} arrived"
            dead = [s for s, entity in parked.items() if entity == of and each["seq_from"] < s <= seq_to]
            if each["dead_letters"] != len(dead):
                yield f"a manifest of {of} up to {seq_to} says {each['dead_letters']} dead letters"


@dataclass
class _Arrived:
    """What is in the stream: each number's contents, and per key the order of first deliveries."""

    lines: dict[int, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    first: dict[Key, list[int]] = field(default_factory=lambda: defaultdict(list))
    last: dict[Key, dict[str, Any]] = field(default_factory=dict)
    manifests: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, puts: list[Put]) -> _Arrived:
        arrived = cls()
        for put in puts:
            for line in put.data.splitlines():
                arrived._take(line)
        return arrived

    def _take(self, line: bytes) -> None:
        event = json.loads(line)
        if event["entity"] == MANIFEST:
            self.manifests.append(event["record"])
            return
        key, seq = (event["entity"], event["key"]), event["seq"]
        if seq not in self.lines and event["entity"] != RISK:
            self.first[key].append(seq)
        self.lines[seq].add(line)
        if key not in self.last or seq > self.last[key]["seq"]:
            self.last[key] = event

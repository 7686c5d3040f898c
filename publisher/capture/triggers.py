"""Generates the capture triggers of an entity from its contract.

Belongs here: SQL text. Not here: reading or changing a database (catalogue.py, install.py).

AFTER STATEMENT triggers with transition tables say which keys a statement touched; each key is then read *again*, under the lock that the
statement holds, and what is there goes to the outbox: the row (an upsert) or nothing (a delete). A row image taken from the
transition table would be stale when a trigger changes the same row once more. One more statement trigger, before TRUNCATE, since
after it the keys are gone.

Two traps shape the SQL. PostgreSQL caches the plan of a statement without parameters for the whole session: planned for a bulk load, it would
scan the table for each single-row update; so the functions forbid the plans that only suit bulk. And a hash anti-join forbidden that way turns
`NOT EXISTS` over the transition tables quadratic; so keys are made distinct by sorting.
"""

# ruff: noqa: S608  (names come from checked contracts and are quoted)
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from publisher.contracts.model import Contract
from publisher.database import ident, quoted

TRUNCATE_TRIGGER = "zz_publisher_truncate"
"""Sorts last: another BEFORE TRUNCATE trigger may still write rows, which are truncated with the others."""

SETTINGS = {
    "search_path": "pg_catalog, pg_temp",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
    "TimeZone": "'UTC'",
}
"""Of the functions, as SQL. UTC: a time must not be written in the zone of whoever wrote the row."""


@dataclass(frozen=True)
class Trigger:
    """One trigger: its name and what CREATE TRIGGER says after the name."""

    name: str
    event: str
    timing: str
    referencing: str

    def create(self, relation: str, function: str) -> str:
        """CREATE and ENABLE ALWAYS: a session that replicates or restores (session_replication_role) is captured too."""
        return (
            f"CREATE OR REPLACE TRIGGER {ident(self.name)} {self.timing} {self.event} ON {relation} {self.referencing}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {function}();\n"
            f"ALTER TABLE {relation} ENABLE ALWAYS TRIGGER {ident(self.name)};"
        )


TRIGGERS = (
    Trigger("publisher_insert", "INSERT", "AFTER", "REFERENCING NEW TABLE AS new_rows"),
    Trigger("publisher_update", "UPDATE", "AFTER", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    Trigger("publisher_delete", "DELETE", "AFTER", "REFERENCING OLD TABLE AS old_rows"),
    Trigger(TRUNCATE_TRIGGER, "TRUNCATE", "BEFORE", ""),
)


@dataclass(frozen=True)
class EntitySql:
    """All SQL fragments that one entity needs. `bytea` names its binary columns, `parent_keys` the key of each table on the subject's path."""

    contract: Contract
    bytea: frozenset[str]
    parent_keys: Mapping[str, str]

    @property
    def function(self) -> str:
        """The qualified, quoted name of the trigger function."""
        return f"publisher.{ident('capture_' + self.contract.entity)}"

    @property
    def table(self) -> str:
        """The qualified, quoted name of the platform's table."""
        return f"public.{ident(self.contract.table)}"

    @property
    def link(self) -> str | None:
        """The table's own column at which the way to the person begins."""
        return self.contract.subject[0].column if self.contract.subject else None

    def row(self, alias: str) -> str:
        """The outbox's `row`: the contract's source columns, binary ones as PostgreSQL's hex form whatever bytea_output says."""
        pairs = (f"{quoted(name)}, {self._value(alias, name)}" for name in self.contract.source_columns)
        return f"json_build_object({', '.join(pairs)})"

    def subject(self, start: str) -> tuple[str, str]:
        """The person's key as text, and the joins it needs, from the expression of the first step's column."""
        if not self.contract.subject:
            return "NULL::text", ""
        joins, value = [], start
        for number, step in enumerate(self.contract.subject[1:], 1):
            alias = f"p{number}"
            key = ident(self.parent_keys[step.table])
            joins.append(f"LEFT JOIN public.{ident(step.table)} {alias} ON {alias}.{key} = {value}")
            value = f"{alias}.{ident(step.column)}"
        return f"({value})::text", "\n    ".join(joins)

    def create_function(self) -> str:
        """The trigger function. SECURITY DEFINER: an application needs no right on the outbox to be captured."""
        settings = "\n".join(f"SET {name} = {value}" for name, value in SETTINGS.items())
        return (
            f"CREATE OR REPLACE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n"
            f"{settings}\nAS $capture${self.body()}$capture$"
        )

    def body(self) -> str:
        """The function's text, compared with pg_proc.prosrc to find an outdated one."""
        key, link = ident(self.contract.key_column), ident(self.link) if self.link else "NULL"
        changed = f"{key} AS key, {link} AS link"
        both = f"SELECT DISTINCT ON (key) key, link FROM (SELECT {changed} FROM old_rows UNION ALL SELECT {changed} FROM new_rows) both_rows"
        return f"""
BEGIN
  IF TG_OP = 'INSERT' THEN
{self._reread(f"SELECT {changed} FROM new_rows", "insert")}
  ELSIF TG_OP = 'UPDATE' THEN
{self._reread(both, "update")}
  ELSIF TG_OP = 'DELETE' THEN
{self._reread(f"SELECT {changed} FROM old_rows", "update")}
  ELSE
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE EXCEPTION 'publisher: TRUNCATE of a captured table needs READ COMMITTED'
        USING HINT = 'An older snapshot does not see all rows that it removes, so their deletes could not be captured.';
    END IF;
    PERFORM pg_current_xact_id();
    EXECUTE format($truncate${self._truncate()}$truncate$, TG_RELID::regclass);
  END IF;
  RETURN NULL;
END;
"""

    def backfill(self, key_type: str) -> str:
        """One keyset chunk: %(after)s and %(upto)s are keys as text or null, %(rows)s its size. Returns how many, and the last key.

        The rows are locked in the inner query, which also returns their newest version, and numbered in the outer one: a writer that waits for a lock
        gets a higher seq. (An unlocked SELECT, a locking CTE joined back and FOR KEY SHARE were tried, and went stale.) Binary columns
        are read raw inside, since only the outer query sees the locked version.
        """
        key = ident(self.contract.key_column)
        return self._snapshots(
            key_type,
            f"""(%(after)s::text IS NULL OR t.{key} > %(after)s::text::{key_type})
      AND (%(upto)s::text IS NULL OR t.{key} <= %(upto)s::text::{key_type})""",
            "LIMIT %(rows)s",
        )

    def resend(self, key_type: str) -> str:
        """The rows of %(keys)s (text) once more, those that are still there. Returns how many."""
        return self._snapshots(key_type, f"t.{ident(self.contract.key_column)} = ANY (%(keys)s::text[]::{key_type}[])", "")

    def scan(self) -> str:
        """Every row as the outbox would hold it: key and subject as text, and the row as JSON text."""
        columns = ", ".join(f"t.{ident(name)}" for name in self._read)
        key = ident(self.contract.key_column)
        return (
            f"SELECT x.{key}::text, {self._subject_of('x')}, {self.row('x')}::text FROM (SELECT {columns} FROM {self.table} t) x"
        )

    def keys(self) -> str:
        """The key of every row, as text."""
        return f"SELECT t.{ident(self.contract.key_column)}::text FROM {self.table} t"

    @property
    def _read(self) -> list[str]:
        return list(dict.fromkeys([*self.contract.source_columns, *([self.link] if self.link else [])]))

    def _subject_of(self, alias: str) -> str:
        if not self.link:
            return "NULL"
        return f"publisher.{ident('subject_of_' + self.contract.entity)}({alias}.{ident(self.link)})"

    def _snapshots(self, key_type: str, where: str, limit: str) -> str:
        key = ident(self.contract.key_column)
        inner = ", ".join(f"t.{ident(name)}" for name in self._read)
        return f"""
WITH chunk AS (
  INSERT INTO publisher.outbox (seq, entity, op, key, subject, row)
  SELECT nextval('publisher.seq'), {quoted(self.contract.entity)}, 'snapshot', x.{key}::text, {self._subject_of("x")}, {self.row("x")}
  FROM (
    SELECT {inner} FROM {self.table} t
    WHERE {where}
    ORDER BY t.{key} {limit} FOR SHARE
  ) x
  RETURNING key
)
SELECT count(*), max(key::{key_type})::text FROM chunk"""

    def create_subject_function(self, link_type: str) -> str | None:
        """For the backfill: VOLATILE, so that each call looks with a fresh snapshot, and finds the parent of a row that changed meanwhile."""
        if self.link is None:
            return None
        value, joins = self.subject("start.link")
        return (
            f"CREATE OR REPLACE FUNCTION publisher.{ident('subject_of_' + self.contract.entity)}(link {link_type}) RETURNS text\n"
            "LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $subject$ BEGIN\n"
            f"  RETURN (SELECT {value} FROM (SELECT link) start\n    {joins});\nEND $subject$"
        )

    def _reread(self, touched: str, upsert: str) -> str:
        key = ident(self.contract.key_column)
        start = f"CASE WHEN t.{key} IS NULL THEN k.link ELSE t.{ident(self.link)} END" if self.link else "NULL"
        subject, joins = self.subject(start)
        return f"""    INSERT INTO publisher.outbox (seq, entity, op, key, subject, row)
    SELECT nextval('publisher.seq'), {quoted(self.contract.entity)}, CASE WHEN t.{key} IS NULL THEN 'delete' ELSE {quoted(upsert)} END,
      k.key::text, {subject}, CASE WHEN t.{key} IS NOT NULL THEN {self.row("t")} END
    FROM ({touched}) k
    LEFT JOIN {self.table} t ON t.{key} = k.key
    {joins};"""

    def _truncate(self) -> str:
        """Reads the relation that is truncated, ONLY it: PostgreSQL fires the trigger of each partition besides. Percent signs are doubled for format()."""
        key = ident(self.contract.key_column)
        subject, joins = self.subject(f"t.{ident(self.link)}" if self.link else "NULL")
        text = f"""
      INSERT INTO publisher.outbox (seq, entity, op, key, subject)
      SELECT nextval('publisher.seq'), {quoted(self.contract.entity)}, 'delete', t.{key}::text, {subject}
      FROM ONLY @RELATION@ t
      {joins}"""
        return text.replace("%", "%%").replace("@RELATION@", "%s")

    def _value(self, alias: str, name: str) -> str:
        column = f"{alias}.{ident(name)}"
        return f"E'\\\\x' || encode({column}, 'hex')" if name in self.bytea else column

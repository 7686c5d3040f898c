"""What the database really has, read from its catalogue in few queries.

Belongs here: reading. Not here: judging what is read (install.py), SQL generation (triggers.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import errors
from psycopg.rows import class_row, dict_row

from publisher.database import Connection


@dataclass(frozen=True)
class Table:
    """A captured table, or why it cannot be one."""

    name: str
    oid: int
    kind: str
    hides_rows: bool
    columns: dict[str, str]
    """Column name to type, as format_type writes it."""
    not_null: frozenset[str]
    unique: frozenset[str]
    """Columns that alone have a valid, immediate, complete unique index."""
    deferrable: frozenset[str]
    """Columns whose uniqueness is checked late."""
    primary_key: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """A table or one of its partitions, with what tells a rewrite of it."""

    oid: int
    name: str
    filenode: int | None
    columns: str


@dataclass(frozen=True)
class InstalledTrigger:
    """A trigger of ours as it stands."""

    relation: int
    name: str
    enabled: str
    function: str
    definition: str


@dataclass(frozen=True)
class InstalledFunction:
    """A function of ours as it stands."""

    name: str
    body: str
    settings: list[str]
    definer: bool


def tables(connection: Connection, names: Iterable[str]) -> dict[str, Table]:
    """The named tables of the schema public that exist."""
    found: dict[str, Table] = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(TABLES, [list(names)]):
            found[row["name"]] = Table(
                name=row["name"], oid=row["oid"], kind=row["kind"], hides_rows=row["hides_rows"], columns=row["columns"],
                not_null=frozenset(row["not_null"]), unique=frozenset(row["unique_columns"]),
                deferrable=frozenset(row["deferrable_columns"]), primary_key=tuple(row["primary_key"]),
            )  # fmt: skip
    return found


def relations(connection: Connection, table_oid: int, columns: Iterable[str]) -> list[Relation]:
    """The table and, where it is partitioned or inherited, everything under it."""
    with connection.cursor(row_factory=class_row(Relation)) as cursor:
        return cursor.execute(RELATIONS, {"root": table_oid, "columns": list(columns)}).fetchall()


def triggers(connection: Connection, relation_oids: Iterable[int]) -> dict[tuple[int, str], InstalledTrigger]:
    """Triggers by relation and name."""
    with connection.cursor(row_factory=class_row(InstalledTrigger)) as cursor:
        return {(t.relation, t.name): t for t in cursor.execute(INSTALLED_TRIGGERS, [list(relation_oids)])}


def functions(connection: Connection) -> dict[str, InstalledFunction]:
    """The functions of the schema publisher, by name."""
    with connection.cursor(row_factory=class_row(InstalledFunction)) as cursor:
        return {f.name: f for f in cursor.execute(INSTALLED_FUNCTIONS)}


def type_names(connection: Connection, written: Iterable[str]) -> dict[str, str]:
    """The database's own name of each type that it knows: `timestamp with time zone` for `timestamptz`."""
    found: dict[str, str] = {}
    for name in set(written):
        try:
            row = connection.execute("SELECT to_regtype(%s)::text", [name]).fetchone()
        except errors.SyntaxError:  # before PostgreSQL 17 for what is no type at all
            continue
        if row and row[0] is not None:
            found[name] = str(row[0])
    return found


def sequence_cache(connection: Connection) -> int | None:
    """CACHE of publisher.seq, or None where it does not exist."""
    row = connection.execute(
        "SELECT seqcache FROM pg_catalog.pg_sequence WHERE seqrelid = to_regclass('publisher.seq')"
    ).fetchone()
    return int(str(row[0])) if row else None


TABLES = """
SELECT c.relname AS name, c.oid::int8 AS oid, c.relkind::text AS kind, row_security_active(c.oid) AS hides_rows,
  (SELECT json_object_agg(a.attname, format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum) FROM pg_attribute a
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attnotnull) AS not_null,
  ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
          AND i.indnkeyatts = 1) AS unique_columns,
  ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indimmediate AND i.indnkeyatts = 1) AS deferrable_columns,
  ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = c.oid AND i.indisprimary) AS primary_key
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = ANY (%s)
"""

RELATIONS = """
WITH RECURSIVE tree (oid) AS (
  SELECT %(root)s::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
)
SELECT t.oid::int8 AS oid, t.oid::regclass::text AS name, pg_relation_filenode(t.oid)::int8 AS filenode,
  coalesce((SELECT string_agg(a.attname || ':' || format_type(a.atttypid, a.atttypmod) || ':' || a.xmin::text, ',' ORDER BY a.attname)
            FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = ANY (%(columns)s) AND NOT a.attisdropped), '') AS columns
FROM tree t ORDER BY t.oid
"""

INSTALLED_TRIGGERS = """
SELECT t.tgrelid::int8 AS relation, t.tgname::text AS name, t.tgenabled::text AS enabled,
  t.tgfoid::regprocedure::text AS function, pg_get_triggerdef(t.oid) AS definition
FROM pg_trigger t WHERE t.tgrelid = ANY (%s::int8[]) AND NOT t.tgisinternal
"""

INSTALLED_FUNCTIONS = """
SELECT p.proname::text AS name, p.prosrc AS body, coalesce(p.proconfig, '{}') AS settings, p.prosecdef AS definer
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'publisher'
"""

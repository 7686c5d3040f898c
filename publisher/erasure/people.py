"""Who is a person, and which rows of which tables are about one.

Belongs here: contracts, and SQL text made from them. Not here: running it (request.py), what waits in the outbox (settle.py).
"""

# ruff: noqa: S608  (names come from checked contracts and are quoted)
from __future__ import annotations

from collections.abc import Mapping

from publisher.capture.triggers import EntitySql
from publisher.contracts.model import Contract
from publisher.database import ident, quoted


def is_person(contract: Contract) -> bool:
    """Whether a row of the entity is itself the person: the way to its subject is its own key."""
    return len(contract.subject) == 1 and (contract.table, contract.key_column) == (
        contract.subject[0].table, contract.subject[0].column,
    )  # fmt: skip


def about(person: Contract, contracts: Mapping[str, Contract]) -> list[Contract]:
    """The entities whose subject is a person of this kind, the person's own first."""
    same = [c for c in contracts.values() if c.subject and c.subject_namespace == person.subject_namespace]
    return sorted(same, key=lambda contract: (len(contract.subject), contract.entity != person.entity, contract.entity))


def number_rows(sql: EntitySql, key_type: str) -> str:
    """Puts an erase event in the outbox for each row that leads to %(person)s, whose key is of `key_type`. Returns the keys.

    The rows are locked in the inner query and numbered in the outer one, as in a backfill: a writer that waits gets a higher seq, and one that was first is
    waited for. The way back is a chain of IN, so that each step can use the index of its foreign key.
    """
    contract = sql.contract
    return f"""
INSERT INTO publisher.outbox (seq, entity, op, key, subject)
SELECT nextval('publisher.seq'), {quoted(contract.entity)}, 'erase', x.key, %(person)s::text FROM (
  SELECT t.{ident(contract.key_column)}::text AS key FROM {sql.table} t
  WHERE {_leads_to_person(sql, key_type)} ORDER BY t.{ident(contract.key_column)} FOR SHARE OF t
) x
RETURNING key, seq"""


def held(sql: EntitySql, key_type: str) -> str:
    """Of %(keys)s (text), those that the table, whose keys are of `key_type`, holds."""
    key = ident(sql.contract.key_column)
    return f"SELECT t.{key}::text FROM {sql.table} t WHERE t.{key} = ANY (%(keys)s::text[]::{key_type}[])"


def forget_positions(sql: EntitySql, key_type: str) -> str:
    """Moves a backfill that stands at one of %(keys)s to the key before: what it has still to send stays the same but for the person."""
    key = ident(sql.contract.key_column)

    def before(column: str) -> str:
        return (
            f"CASE WHEN {column} = ANY (%(keys)s) THEN (SELECT t.{key}::text FROM {sql.table} t WHERE t.{key} < {column}::{key_type}"
            f" AND t.{key}::text <> ALL (%(keys)s) ORDER BY t.{key} DESC LIMIT 1) ELSE {column} END"
        )

    return (
        f"UPDATE publisher.backfills SET position = {before('position')}, upto = {before('upto')}"
        f" WHERE entity = {quoted(sql.contract.entity)} AND (position = ANY (%(keys)s) OR upto = ANY (%(keys)s))"
    )


def _leads_to_person(sql: EntitySql, key_type: str) -> str:
    steps = sql.contract.subject
    found = f"= %(person)s::text::{key_type}"
    for step in reversed(steps[1:]):
        key = ident(sql.parent_keys[step.table])
        found = f"IN (SELECT {key} FROM public.{ident(step.table)} WHERE {ident(step.column)} {found})"
    return f"t.{ident(steps[0].column)} {found}"

"""The coarsening as it is kept in the platform's database, by version.

Belongs here: its statements. Not here: the tables' DDL (capture/tables.py), the look-up in memory (steps.py).

Combinations are kept as keyed digests: what the database says in clear is how many combinations there are, and how coarse each leaves. A version never
changes, so what was claimed under one can be repeated under it. A combination's step is the highest of its rows, so it only ever gets coarser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from publisher.contracts.kgroups import KGroup
from publisher.database import Connection
from publisher.risk.steps import Steps, Table


def load_steps(connection: Connection, groups: Iterable[KGroup], version: int) -> Steps:
    """The steps of these groups as of a version.

    A group that is made of other fields than when it was assessed, or assessed for fewer people than its contract's k, counts as never assessed.
    """
    tables = {}
    for group in groups:
        usable = connection.execute(USABLE, {**_of(group), "version": version}).fetchone()
        if usable and usable[0]:
            rows = connection.execute(STEPS, {**_of(group), "version": version}, binary=True).fetchall()
            tables[group.entity, group.name] = Table.of(cast("list[tuple[bytes, int]]", rows))
    return Steps(version, tables)


def latest(connection: Connection) -> int:
    """The newest version, 0 before the first."""
    row = connection.execute("SELECT coalesce(max(version), 0) FROM publisher.coarsenings").fetchone()
    return int(str(row[0])) if row else 0


def floors(connection: Connection, group: KGroup) -> dict[bytes, int]:
    """The step that each known combination of a group must not leave more finely than."""
    rows = connection.execute(STEPS, {**_of(group), "version": latest(connection)}, binary=True).fetchall()
    return dict(cast("list[tuple[bytes, int]]", rows))


def assessed(connection: Connection, group: KGroup) -> bool:
    """Whether the newest assessment of this group is of these very fields, and of its k or more."""
    row = connection.execute(USABLE, {**_of(group), "version": latest(connection)}).fetchone()
    return bool(row and row[0])


def add_version(connection: Connection, group: KGroup, changed: Mapping[bytes, int]) -> int:
    """Keeps the steps that changed as a new version. Within the caller's transaction, which holds the table against others."""
    version = latest(connection) + 1
    connection.execute(
        "INSERT INTO publisher.coarsenings (version, entity, kgroup, k, definition) VALUES (%s, %s, %s, %s, %s)",
        [version, group.entity, group.name, group.k, group.definition],
    )
    with connection.cursor().copy(ADD_STEPS) as copy:
        copy.set_types(["int4", "text", "text", "bytea", "int2"])
        for digest, step in changed.items():
            copy.write_row((version, group.entity, group.name, digest, step))
    return version


def unsent(connection: Connection, groups: Sequence[KGroup]) -> tuple[list[int], set[bytes]]:
    """The versions of an entity's groups whose rows have not been sent again yet, and the combinations that they changed or saw first.

    Also those that are silent from the first: before the group was one, their rows may have left as they are.
    """
    versions: list[int] = []
    changed: set[bytes] = set()
    for group in groups:
        mine = [int(str(row[0])) for row in connection.execute(UNSENT, _of(group)).fetchall()]
        rows = connection.execute(CHANGED, {**_of(group), "versions": mine}, binary=True).fetchall()
        versions += mine
        changed |= {bytes(cast("bytes", row[0])) for row in rows}
    return versions, changed


def mark_sent(connection: Connection, versions: Sequence[int], rows: int) -> None:
    """All rows that these versions changed are in the outbox, as of now: so many by this call, kept with the newest of them."""
    connection.execute(
        "UPDATE publisher.coarsenings SET resent_at = clock_timestamp(), resent = CASE version WHEN %s THEN %s ELSE 0 END"
        " WHERE version = ANY (%s)",
        [max(versions, default=0), rows, list(versions)],
    )


def _of(group: KGroup) -> dict[str, object]:
    return {"entity": group.entity, "kgroup": group.name, "k": group.k, "definition": group.definition}


USABLE = """
SELECT k >= %(k)s AND definition = %(definition)s FROM publisher.coarsenings
WHERE entity = %(entity)s AND kgroup = %(kgroup)s AND version <= %(version)s ORDER BY version DESC LIMIT 1
"""

STEPS = """
SELECT combination, max(step)::int4 FROM publisher.coarsening_steps
WHERE entity = %(entity)s AND kgroup = %(kgroup)s
  AND version IN (SELECT version FROM publisher.coarsenings WHERE definition = %(definition)s AND version <= %(version)s)
GROUP BY combination
"""

UNSENT = "SELECT version FROM publisher.coarsenings WHERE entity = %(entity)s AND kgroup = %(kgroup)s AND resent_at IS NULL"

CHANGED = """
SELECT DISTINCT combination FROM publisher.coarsening_steps
WHERE entity = %(entity)s AND kgroup = %(kgroup)s AND version = ANY (%(versions)s)
"""

ADD_STEPS = "COPY publisher.coarsening_steps (version, entity, kgroup, combination, step) FROM STDIN (FORMAT binary)"

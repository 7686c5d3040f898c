"""The publisher's own tables in the platform's database: dead letters, manifests, claims and all others.

Belongs here: reading a schema, every column of every table. Not here: the platform's tables, which hold what must not leave.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from demo.leakscan.decode import RAW, Facet
from demo.leakscan.errors import Unreadable
from demo.leakscan.sources.base import Documents, Source

CONTROLS = "leakscan_controls"


@dataclass(frozen=True)
class TablesItem:
    """The tables of a schema; `controls` go to a temporary table of the same connection, and are read in the same way."""

    source: str
    schema: str
    url: str = field(repr=False)
    controls: tuple[bytes, ...] = ()
    size: int = 4 << 20

    @property
    def planted(self) -> bool:
        return bool(self.controls)

    @property
    def place(self) -> str:
        return f"postgresql schema {self.schema}"

    def facets(self) -> Iterator[Facet]:
        yield Facet(RAW, self._texts())

    def _texts(self) -> Iterator[bytes]:
        try:
            with psycopg.connect(self.url) as connection:
                schema = sql.Identifier(self.schema)
                if self.controls:
                    _plant(connection, self.controls)
                    schema = sql.Identifier("pg_temp")
                for table in self._tables(connection):
                    statement = sql.SQL("COPY (SELECT * FROM {}.{}) TO STDOUT").format(schema, sql.Identifier(table))
                    yield f"\n{table}\n".encode()
                    with connection.cursor().copy(statement) as copy:
                        yield from (bytes(block) for block in copy)
        except psycopg.Error as error:
            raise Unreadable(RAW, type(error).__name__) from None

    def _tables(self, connection: psycopg.Connection[tuple[str]]) -> list[str]:
        if self.controls:
            return [CONTROLS]
        query = "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p', 'm')"
        return [name for (name,) in connection.execute(query, (self.schema,)).fetchall()]


@dataclass(frozen=True)
class TablesSource:
    """All tables of one schema."""

    name: str
    schema: str
    url: str = field(repr=False)
    controls: tuple[bytes, ...] = ()

    @property
    def facet_names(self) -> tuple[str, ...]:
        return (RAW,)

    def items(self) -> Iterator[TablesItem]:
        yield TablesItem(self.name, self.schema, self.url, self.controls)

    @contextmanager
    def plant(self, documents: Documents) -> Iterator[list[Source]]:
        yield [TablesSource(self.name, self.schema, self.url, tuple(documents[RAW]))]


def _plant(connection: psycopg.Connection[tuple[str]], texts: tuple[bytes, ...]) -> None:
    connection.execute(f"CREATE TEMPORARY TABLE {CONTROLS} (plain text, list text[], document jsonb)")
    for number, text in enumerate(texts):
        decoded = text.decode()
        columns = (decoded, [decoded], json.dumps({"value": decoded}))
        row = [column if number % 3 == place else None for place, column in enumerate(columns)]
        connection.execute(f"INSERT INTO {CONTROLS} VALUES (%s, %s, %s)", row)  # noqa: S608 (our own name)

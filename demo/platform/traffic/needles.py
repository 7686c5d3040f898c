"""What must not be found outside of the platform: the plain text of every sensitive value that it ever held.

Belongs here: reading them. Not here: the search (the demo's leak scan).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from demo.platform.crypto import Cipher, Encrypted
from demo.platform.models import Base
from demo.platform.sensitive import sensitive_columns, text_of
from publisher.contracts import Contract

FETCH = 2000


def plain_values(url: str, data_key: bytes, contracts: Mapping[str, Contract]) -> Iterator[tuple[str, str]]:
    """Yields each distinct (column, plain text), e.g. `("customers.email", "…@example.com")`.

    The values of all columns that the application encrypts and of all that the contracts withhold; the encrypted ones of rows that were
    overwritten, deleted or rolled back are in it too. Dates and moments are ISO 8601; incomes are plain digits, which a digest can
    hold by chance: search those as whole tokens.
    """
    cipher = Cipher(data_key)
    seen: set[tuple[str, str]] = set()
    with psycopg.connect(url) as connection:
        for source, value in _stored(connection, contracts):
            found = source, cipher.decrypt(value) if isinstance(value, bytes) else text_of(value)
            if found not in seen:
                seen.add(found)
                yield found


def _stored(connection: psycopg.Connection[tuple[str, Any]], contracts: Mapping[str, Contract]) -> Iterator[tuple[str, Any]]:
    sensitive = {(each.table, each.column) for each in sensitive_columns(contracts)}
    for table in Base.metadata.sorted_tables:
        for column in table.c:
            if isinstance(column.type, Encrypted) or (table.name, column.name) in sensitive:
                query = sql.SQL("SELECT DISTINCT {source}, {column} FROM {table} WHERE {column} IS NOT NULL").format(
                    source=sql.Literal(f"{table.name}.{column.name}"),
                    column=sql.Identifier(column.name),
                    table=sql.Identifier(table.name),
                )
                yield from _rows(connection, query)
    yield from _rows(connection, sql.SQL("SELECT source, value FROM demo.gone_values"))


def _rows(connection: psycopg.Connection[tuple[str, Any]], query: sql.SQL | sql.Composed) -> Iterator[tuple[str, Any]]:
    with connection.cursor("needles") as cursor:
        cursor.itersize = FETCH
        yield from cursor.execute(query)

"""What of a person is in the publisher's own tables. Belongs here: looking. Not here: assertions."""

from __future__ import annotations

from collections.abc import Iterable

from tests.integration.publisher.platform import Platform


def remains(platform: Platform, needles: Iterable[str]) -> list[str]:
    """The columns of the schema `publisher` in which any of the needles stands, whatever their type."""
    columns = platform.sql(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'publisher'::regnamespace AND c.relkind IN ('r', 'p', 'S') AND a.attnum > 0 AND NOT a.attisdropped"
        " ORDER BY 1, 2"
    )
    patterns = [f"%{needle}%" for needle in needles]
    return [
        f"{table}.{column}"
        for table, column in columns
        if platform.sql(f'SELECT 1 FROM publisher."{table}" WHERE "{column}"::text LIKE ANY (%s) LIMIT 1', patterns)
    ]

"""One transaction of the application, and an exact count of what it wrote.

Belongs here: the ways to write, each counted where it happens. Not here: what is written (activities/).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Engine, Insert, Table, Update, event, func, insert, select, text
from sqlalchemy.orm import Session

from demo.platform.crypto import Encrypted, active_cipher
from demo.platform.models import Base
from demo.platform.traffic.stats import CommittedInsert, Tally, TrafficStats, Way

Row = Mapping[str, Any]
PlainValue = tuple[str, str]
"""A sensitive value: its column, as `customers.email`, and its text."""


class RolledBack(Exception):
    """Raised by an activity to give its transaction up; the unit swallows it."""


class Unit:
    """An open transaction: counts as it goes, and adds to the statistics when it commits."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._tally: Tally = Counter()
        self._lost = 0
        self._inserted: dict[str, int] = {}
        self._values: list[PlainValue] = []
        event.listen(session, "after_flush", self._count_flush)

    def insert_many(self, model: type[Base], rows: Sequence[Row]) -> list[int]:
        """Inserts the rows in one statement and returns their ids, in the order of the rows."""
        if not rows:
            return []
        statement = insert(model).returning(_table(model).c.id, sort_by_parameter_order=True)
        # Without the option SQLAlchemy starts a new statement wherever the next row has other columns that are NULL.
        options = {"render_nulls": True}
        ids = list(self.session.execute(statement, [dict(row) for row in rows], execution_options=options).scalars())
        self._wrote(_table(model).name, Way.BULK_INSERT, len(ids))
        self._remember(model, rows)
        self._inserted[_table(model).name] = ids[-1]
        return ids

    def update_where(self, statement: Update) -> int:
        """Runs an `UPDATE … WHERE` built with SQLAlchemy; the number of rows."""
        options = {"synchronize_session": False}
        rows = self.session.execute(statement, execution_options=options).rowcount  # type: ignore[attr-defined]
        return self._wrote(str(statement.entity_description["table"]), Way.UPDATE_WHERE, rows)

    def upsert(self, statement: Insert) -> int:
        """Runs an `INSERT … ON CONFLICT` built with SQLAlchemy; the number of rows inserted or updated."""
        # Without the option SQLAlchemy says -1 for an INSERT.
        rows = self.session.execute(statement, execution_options={"preserve_rowcount": True}).rowcount  # type: ignore[attr-defined]
        return self._wrote(statement.table.name, Way.UPSERT, rows)

    def copy(self, model: type[Base], rows: Sequence[Row]) -> None:
        """Writes the rows by COPY; the keys of the first are the columns."""
        if not rows:
            return
        table = _table(model)
        columns = list(rows[0])
        encrypted = {name: kind for name, kind in _encrypted(table).items() if name in columns}
        cipher = active_cipher()
        driver = self.session.connection().connection.driver_connection
        assert driver is not None
        with driver.cursor() as cursor:
            with cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN") as copy:
                for row in rows:
                    values = dict(row)
                    for name, kind in encrypted.items():
                        if values[name] is not None:
                            values[name] = cipher.encrypt(kind.to_text(values[name]))
                    copy.write_row([values[name] for name in columns])
            self._wrote(table.name, Way.COPY, cursor.rowcount)
        self._remember(model, rows)
        # The only writer is this one, so the highest id is the last row's.
        self._inserted[table.name] = self.session.execute(select(func.max(table.c.id))).scalar_one()

    def raw(self, table: str, statement: str, way: Way = Way.RAW_SQL, **parameters: Any) -> int:
        """Runs a statement as written; the number of rows of `table` that it wrote."""
        return self._wrote(table, way, self.session.execute(text(statement), parameters).rowcount)  # type: ignore[attr-defined]

    def delete(self, table: str, condition: str, **parameters: Any) -> int:
        """Deletes rows, after keeping their sensitive values for the leak scan; the number of rows."""
        self.keep(table, condition, **parameters)
        return self.raw(table, f"DELETE FROM {table} WHERE {condition}", Way.DELETE, **parameters)  # noqa: S608

    def expect_cascade(self, table: str, condition: str, *, deleted: bool, **parameters: Any) -> int:
        """Counts, before a delete, the rows that its foreign keys will delete (or update) on their own."""
        if deleted:
            self.keep(table, condition, **parameters)
        counted = self.session.execute(text(f"SELECT count(*) FROM {table} WHERE {condition}"), parameters)  # noqa: S608
        return self._wrote(table, Way.CASCADE, int(counted.scalar_one()))

    def keep(self, table: str, condition: str, **parameters: Any) -> None:
        """Keeps the encrypted values of rows that are about to change or go: the lake must not have them either."""
        for column in _encrypted(Base.metadata.tables[table]):
            self.session.execute(
                text(
                    f"INSERT INTO demo.gone_values (source, value) SELECT '{table}.{column}', {column} "  # noqa: S608
                    f"FROM {table} WHERE ({condition}) AND {column} IS NOT NULL"
                ),
                parameters,
            )

    def pick(self, model: type[Base], pivot: float, limit: int, *conditions: ColumnElement[bool]) -> list[int]:
        """Up to `limit` ids that meet the conditions, from the id at `pivot` (0 to 1 of all ids) on, then from the start.

        Not ORDER BY random(): that reads the table, and is not the same under the same seed.
        """
        key = _table(model).c.id
        highest = self.session.execute(select(func.max(key))).scalar_one() or 0
        start = int(highest * pivot)
        query = select(key).where(*conditions).order_by(key)
        ids = list(self.session.execute(query.where(key >= start).limit(limit)).scalars())
        if len(ids) < limit:
            ids += self.session.execute(query.where(key < start).limit(limit - len(ids))).scalars()
        return ids

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A savepoint: a RolledBack raised in the block undoes the block, and only that."""
        before, inserted, values = self._tally.copy(), dict(self._inserted), len(self._values)
        try:
            with self.session.begin_nested():
                yield
        except RolledBack:
            self._lost += self._tally.total() - before.total()
            self._tally, self._inserted = before, inserted
            self.keep_values(self._values[values:])

    def _remember(self, model: type[Base], rows: Sequence[Row]) -> None:
        """Remembers what the rows hold until the end of the transaction: undone values must not be found either."""
        for name, kind in _encrypted(_table(model)).items():
            source = f"{_table(model).name}.{name}"
            self._values += [(source, kind.to_text(row[name])) for row in rows if row.get(name) is not None]

    def keep_values(self, values: Sequence[PlainValue]) -> None:
        """Keeps values for the leak scan, whatever becomes of the rows that hold them."""
        cipher = active_cipher()
        rows = [{"source": source, "value": cipher.encrypt(value)} for source, value in values]
        if rows:
            self.session.execute(text("INSERT INTO demo.gone_values (source, value) VALUES (:source, :value)"), rows)

    def _wrote(self, table: str, way: Way, rows: int) -> int:
        if rows < 0:
            raise RuntimeError(f"the driver does not say how many rows of {table} were written by {way}")
        if rows:
            self._tally[table, way] += rows
        return rows

    def _count_flush(self, session: Session, context: Any) -> None:
        for written in session.new:
            self._wrote(written.__tablename__, Way.ORM, 1)
            self._inserted[written.__tablename__] = written.id
            self._remember(type(written), [vars(written)])
        for row in session.dirty:
            if session.is_modified(row):  # `dirty` also holds rows whose attributes were set to what they were
                self._wrote(row.__tablename__, Way.ORM, 1)
        for row in session.deleted:
            self._wrote(row.__tablename__, Way.ORM, 1)

    def _committed(self, stats: TrafficStats, journal: list[CommittedInsert], at: float) -> None:
        stats.tally.update(self._tally)
        stats.transactions += 1
        stats.rows_rolled_back += self._lost
        journal.extend(CommittedInsert(table, key, at) for table, key in self._inserted.items())

    def _rolled_back(self, stats: TrafficStats) -> None:
        stats.transactions_rolled_back += 1
        stats.rows_rolled_back += self._tally.total() + self._lost
        self.keep_values(self._values)
        self.session.commit()


@contextmanager
def transaction(engine: Engine, stats: TrafficStats, journal: list[CommittedInsert]) -> Iterator[Unit]:
    """One transaction: committed at the end of the block, rolled back if it raises; RolledBack ends here."""
    with Session(engine, expire_on_commit=False) as session:
        unit = Unit(session)
        try:
            yield unit
            session.flush()
            at = time.time()
            session.commit()
        except RolledBack:
            session.rollback()
            unit._rolled_back(stats)
        else:
            unit._committed(stats, journal, at)


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


def _encrypted(table: Table) -> dict[str, Encrypted]:
    return {column.name: column.type for column in table.c if isinstance(column.type, Encrypted)}

"""Group commits: transactions on the database's own driver, for what every prediction writes.

Statements are made by SQLAlchemy once and run without it: it takes longer to find a statement that
it compiled before than SQLite takes to run it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Dialect, Executable, Table, insert
from sqlalchemy.exc import DBAPIError

from app.store.db import GROUPS, db, upsert_of
from app.store.tables import Base

_Row = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """An open transaction: the driver's cursor, and which database it is on."""

    cursor: Any
    dialect: Dialect


@contextmanager
def group_writing() -> Iterator[Group]:
    """Open a transaction on rows that arrived together; committed with the block.

    On SQLite it survives kill -9 when this returns; a power cut may take the last moments. Raises
    SQLAlchemy's errors, as every unit of work does. Needs an application context.
    """
    engine = db.engines[GROUPS]
    dialect, driver = engine.dialect, engine.dialect.loaded_dbapi
    connection, is_lost = None, False
    try:
        connection = engine.raw_connection()
        cursor = connection.cursor()
        if dialect.name == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        yield Group(cursor, dialect)
        connection.commit()
    except driver.Error as error:
        if connection is not None and dialect.is_disconnect(error, connection, None):
            is_lost = True
            connection.invalidate(error)
        raise DBAPIError.instance(
            None, None, error, driver.Error, True, is_lost, dialect
        ) from error
    finally:
        if connection is not None:
            connection.close()  # rolled back where it was not committed


class Prepared:
    """A statement in a database's own SQL."""

    def __init__(
        self, statement: Executable, dialect: Dialect, columns: Sequence[str] | None = None
    ) -> None:
        """Compile a statement; an INSERT with the columns that each row has."""
        compiled: Any = statement.compile(dialect=dialect, column_keys=columns)  # type: ignore[attr-defined]
        self._sql, self._order = str(compiled), compiled.positiontup
        self._converts = {
            name: convert
            for name, bound in compiled.binds.items()
            if (convert := _convert(bound.type, dialect)) is not None
        }

    def run(self, group: Group, rows: Sequence[_Row]) -> None:
        """Run it for each row."""
        if rows:
            group.cursor.executemany(self._sql, [self._bound(row) for row in rows])

    def first(self, group: Group, row: _Row) -> tuple[Any, ...] | None:
        """Run it; returns the first row that it gives."""
        group.cursor.execute(self._sql, self._bound(row))
        found: list[tuple[Any, ...]] = group.cursor.fetchall()
        return found[0] if found else None

    def _bound(self, row: _Row) -> Any:
        bound = dict(row)
        for name, convert in self._converts.items():
            bound[name] = convert(bound[name])
        return bound if self._order is None else tuple([bound[name] for name in self._order])


def inserting(table: type[Base], dialect: Dialect) -> Prepared:
    """Insert whole rows."""
    return Prepared(insert(table), dialect, _columns(table))


def inserting_new(table: type[Base], dialect: Dialect, *returned: Any) -> Prepared:
    """Insert whole rows, but for those that are there, by whatever makes them unique."""
    statement = upsert_of(dialect, table).on_conflict_do_nothing()
    if returned:
        return Prepared(statement.returning(*returned), dialect, _columns(table))
    return Prepared(statement, dialect, _columns(table))


def adding(table: type[Base], counted: Sequence[str], dialect: Dialect) -> Prepared:
    """Insert whole rows; where one with the same key is there, add to its counts."""
    new = upsert_of(dialect, table)
    grown = {name: getattr(table, name) + new.excluded[name] for name in counted}
    keys = [column.name for column in cast("Table", table.__table__).primary_key]
    statement = new.on_conflict_do_update(index_elements=keys, set_=grown)
    return Prepared(statement, dialect, _columns(table))


def _columns(table: type[Base]) -> list[str]:
    return [*cast("Table", table.__table__).columns.keys()]


def _convert(kind: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    return cast("Callable[[Any], Any] | None", kind.dialect_impl(dialect).bind_processor(dialect))

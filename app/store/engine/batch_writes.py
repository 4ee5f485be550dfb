"""Group commits: transactions on the database's own driver, for what every prediction writes.

Statements are made by SQLAlchemy once and run without it: it takes longer to find a statement that
it compiled before than SQLite takes to run it.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from sqlalchemy import Dialect, Engine, Executable, Table, event, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection

from app.store.engine.db import BUSY_TIMEOUT_S, insert_for_dialect
from app.store.tables import Base

_Row = Mapping[str, Any]
_Done = TypeVar("_Done")


class BatchTransaction(NamedTuple):
    """An open transaction: the driver's cursor, and which database it is on."""

    cursor: Any
    dialect: Dialect


class BatchWriter:
    """Opens transactions on rows that arrived together, one at a time."""

    def __init__(self, engine: Engine) -> None:
        """Write through an engine of its own; nothing is connected before the first use."""
        self._engine = engine
        self._driver = engine.dialect.loaded_dbapi
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._turn = threading.Lock()
        self._kept: PoolProxiedConnection | None = None
        event.listen(engine, "engine_disposed", self._let_go)

    def write(self, work: Callable[[BatchTransaction], _Done]) -> _Done:
        """Do work in a transaction: committed when it is done, rolled back by an error.

        On SQLite it survives kill -9 when this returns; a power cut may take the last moments.
        Raises SQLAlchemy's errors, as every unit of work does.
        """
        dialect, connection = self._engine.dialect, None
        is_committed = is_lost = False
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_S):
            raise PoolTimeoutError("Those who write before take too long")
        try:
            connection = self._taken()
            cursor = connection.cursor()
            if self._is_sqlite:
                cursor.execute("BEGIN IMMEDIATE")
            done = work(BatchTransaction(cursor, dialect))
            connection.commit()
            is_committed = True
        except self._driver.Error as error:
            if connection is not None and dialect.is_disconnect(error, connection, None):
                is_lost = True
                connection.invalidate(error)
            raise DBAPIError.instance(
                None, None, error, self._driver.Error, True, is_lost, dialect
            ) from error
        finally:
            if connection is not None:
                self._put_back(connection, is_committed=is_committed)
            self._turn.release()
        return done

    def _taken(self) -> PoolProxiedConnection:
        connection, self._kept = self._kept, None
        return self._engine.raw_connection() if connection is None else connection

    def _put_back(self, connection: PoolProxiedConnection, *, is_committed: bool) -> None:
        """Keep SQLite's: the pool takes as long as a row. PostgreSQL's is tried at each taking."""
        if self._is_sqlite and is_committed:
            self._kept = connection
        else:
            connection.close()  # rolled back where it was not committed

    def _let_go(self, _: Engine) -> None:
        with self._turn:
            if self._kept is not None:
                self._kept.invalidate()
                self._kept = None


class CompiledStatement:
    """A statement in a database's own SQL."""

    def __init__(
        self, statement: Executable, dialect: Dialect, columns: Sequence[str] | None = None
    ) -> None:
        """Compile a statement; an INSERT with the columns that each row has."""
        compiled: Any = statement.compile(dialect=dialect, column_keys=columns)  # type: ignore[attr-defined]
        self._sql, self._is_positional = str(compiled), compiled.positiontup is not None
        self._binds = [
            (name, _convert(compiled.binds[name].type, dialect))
            for name in compiled.positiontup or compiled.binds
        ]

    def run(self, group: BatchTransaction, rows: Sequence[_Row]) -> None:
        """Run it for each row."""
        if rows:
            group.cursor.executemany(self._sql, [self._bound(row) for row in rows])

    def first(self, group: BatchTransaction, row: _Row) -> tuple[Any, ...] | None:
        """Run it; returns the first row that it gives."""
        group.cursor.execute(self._sql, self._bound(row))
        found: list[tuple[Any, ...]] = group.cursor.fetchall()
        return found[0] if found else None

    def _bound(self, row: _Row) -> Any:
        bound = [
            row[name] if convert is None else convert(row[name]) for name, convert in self._binds
        ]
        if self._is_positional:
            return bound
        return {name: value for (name, _), value in zip(self._binds, bound, strict=True)}


def insert_rows(table: type[Base], dialect: Dialect) -> CompiledStatement:
    """Insert whole rows."""
    return CompiledStatement(insert(table), dialect, _columns(table))


def insert_ignore(table: type[Base], dialect: Dialect, *returned: Any) -> CompiledStatement:
    """Insert whole rows, but for those that are there, by whatever makes them unique."""
    statement = insert_for_dialect(dialect, table).on_conflict_do_nothing()
    if returned:
        return CompiledStatement(statement.returning(*returned), dialect, _columns(table))
    return CompiledStatement(statement, dialect, _columns(table))


def upsert_add(table: type[Base], counted: Sequence[str], dialect: Dialect) -> CompiledStatement:
    """Insert whole rows; where one with the same key is there, add to its counts."""
    new = insert_for_dialect(dialect, table)
    grown = {name: getattr(table, name) + new.excluded[name] for name in counted}
    keys = [column.name for column in cast("Table", table.__table__).primary_key]
    statement = new.on_conflict_do_update(index_elements=keys, set_=grown)
    return CompiledStatement(statement, dialect, _columns(table))


def _columns(table: type[Base]) -> list[str]:
    return [*cast("Table", table.__table__).columns.keys()]


def _convert(kind: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    return cast("Callable[[Any], Any] | None", kind.dialect_impl(dialect).bind_processor(dialect))

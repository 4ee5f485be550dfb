"""Batch writes: transactions on the database driver itself, for the rows of every prediction.

Statements are compiled by SQLAlchemy once and run without it: looking up a compiled statement in
SQLAlchemy's cache takes longer than SQLite takes to run it. docs/decisions/0017 has the numbers;
tests/services/predictions/test_batch_writer.py checks that what is written is what the ORM reads.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from sqlalchemy import Dialect, Engine, Executable, Table, event, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection

from app.store.engine.database_errors import is_connection_useless
from app.store.engine.database_file import DatabaseFile
from app.store.engine.db import BUSY_TIMEOUT_S, insert_for_dialect
from app.store.engine.retries import may_retry, pause
from app.store.tables import Base

FILE_CHECK_S = 0.1

_Row = Mapping[str, Any]
_Result = TypeVar("_Result")


class BatchTransaction(NamedTuple):
    """An open transaction: the driver's cursor and the database's dialect."""

    cursor: Any
    dialect: Dialect


class BatchWriter:
    """Run transactions on rows that arrived together, one transaction at a time."""

    def __init__(self, engine: Engine, database_file: DatabaseFile | None) -> None:
        """Write through an engine of its own; nothing connects before the first write."""
        self._engine, self._database_file = engine, database_file
        self._driver = engine.dialect.loaded_dbapi
        # The lock guards _connection too: only the thread that holds it may take or return one.
        self._lock = threading.Lock()
        self._connection: PoolProxiedConnection | None = None
        self._has_begun_commit = False  # in the current attempt
        event.listen(engine, "engine_disposed", self._discard_connection)

    def write(self, work: Callable[[BatchTransaction], _Result]) -> _Result:
        """Run `work` in a transaction: commit when it returns, roll back when it raises.

        Committed rows survive kill -9; on SQLite, a power cut may lose the last moments
        (tests/integration/test_durability.py). Raises SQLAlchemy's errors, as an ORM transaction
        does. As in retries.py, `work` runs again if its transaction was rolled back for another
        one or for a useless connection.
        """
        if not self._lock.acquire(timeout=BUSY_TIMEOUT_S):
            raise PoolTimeoutError("Timed out waiting for earlier batch writes")
        try:
            return self._write_with_retries(work)
        finally:
            self._lock.release()

    def _write_with_retries(self, work: Callable[[BatchTransaction], _Result]) -> _Result:
        attempt = 1
        while True:
            try:
                return self._write_once(work)
            except DBAPIError as error:
                if self._has_begun_commit or not may_retry(error, attempt):
                    raise
            pause(attempt)
            attempt += 1

    def _write_once(self, work: Callable[[BatchTransaction], _Result]) -> _Result:
        dialect, connection = self._engine.dialect, None
        is_committed = is_disconnected = self._has_begun_commit = False
        try:
            connection = self._take_connection()
            cursor = connection.cursor()
            if self._database_file is not None:
                # Take the write lock first: a transaction that upgrades from a read fails at once
                # with SQLITE_BUSY instead of waiting for the busy timeout.
                cursor.execute("BEGIN IMMEDIATE")
                self._database_file.require_in_place(FILE_CHECK_S)
            result = work(BatchTransaction(cursor, dialect))
            self._has_begun_commit = True
            connection.commit()
            is_committed = True
        except self._driver.Error as error:
            # Nothing but the driver runs here, so its errors are translated by hand; the error
            # handlers know SQLAlchemy's classes only.
            if connection is not None and (
                is_connection_useless(error) or dialect.is_disconnect(error, connection, None)
            ):
                is_disconnected = True
                connection.invalidate(error)
            raise DBAPIError.instance(
                None, None, error, self._driver.Error, True, is_disconnected, dialect
            ) from error
        finally:
            if connection is not None:
                self._return_connection(connection, is_committed=is_committed)
        return result

    def _take_connection(self) -> PoolProxiedConnection:
        connection, self._connection = self._connection, None
        return self._engine.raw_connection() if connection is None else connection

    def _return_connection(self, connection: PoolProxiedConnection, *, is_committed: bool) -> None:
        """Keep a SQLite connection for the next write, and give any other back to the pool.

        A checkout from the pool takes as long as writing a row. PostgreSQL connections go through
        the pool nevertheless, because its pre-ping replaces those that the server has closed.
        """
        if self._database_file is not None and is_committed:
            self._connection = connection
        else:
            connection.close()  # rolls back what was not committed

    def _discard_connection(self, _: Engine) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.invalidate()
                self._connection = None


class CompiledStatement:
    """A statement compiled to the SQL of one database."""

    def __init__(
        self, statement: Executable, dialect: Dialect, columns: Sequence[str] | None = None
    ) -> None:
        """Compile a statement; for an INSERT, name the columns that every row has."""
        compiled: Any = statement.compile(dialect=dialect, column_keys=columns)  # type: ignore[attr-defined]
        self._sql, self._is_positional = str(compiled), compiled.positiontup is not None
        # The driver gets values as the column's type would bind them (UUIDs, UTC times, JSON).
        self._binds = [
            (name, _bind_processor(compiled.binds[name].type, dialect))
            for name in compiled.positiontup or compiled.binds
        ]

    def run(self, transaction: BatchTransaction, rows: Sequence[_Row]) -> None:
        """Run the statement once for each row."""
        if rows:
            transaction.cursor.executemany(self._sql, [self._parameters(row) for row in rows])

    def first(self, transaction: BatchTransaction, row: _Row) -> tuple[Any, ...] | None:
        """Run the statement and return the first row of its result, or None."""
        transaction.cursor.execute(self._sql, self._parameters(row))
        # Fetch all rows: an unread result would keep the statement open in the driver.
        found: list[tuple[Any, ...]] = transaction.cursor.fetchall()
        return found[0] if found else None

    def _parameters(self, row: _Row) -> Any:
        values = [
            row[name] if process is None else process(row[name]) for name, process in self._binds
        ]
        if self._is_positional:
            return values
        return {name: value for (name, _), value in zip(self._binds, values, strict=True)}


def insert_rows(table: type[Base], dialect: Dialect) -> CompiledStatement:
    """Compile an INSERT of whole rows."""
    return CompiledStatement(insert(table), dialect, _columns(table))


def insert_ignore(table: type[Base], dialect: Dialect, *returned: Any) -> CompiledStatement:
    """Compile an INSERT of whole rows that skips those which violate a unique constraint."""
    statement = insert_for_dialect(dialect, table).on_conflict_do_nothing()
    if returned:
        return CompiledStatement(statement.returning(*returned), dialect, _columns(table))
    return CompiledStatement(statement, dialect, _columns(table))


def upsert_add(table: type[Base], counted: Sequence[str], dialect: Dialect) -> CompiledStatement:
    """Compile an INSERT of whole rows that adds the `counted` columns to an existing row's."""
    new = insert_for_dialect(dialect, table)
    sums = {name: getattr(table, name) + new.excluded[name] for name in counted}
    keys = [column.name for column in cast("Table", table.__table__).primary_key]
    statement = new.on_conflict_do_update(index_elements=keys, set_=sums)
    return CompiledStatement(statement, dialect, _columns(table))


def _columns(table: type[Base]) -> list[str]:
    return [*cast("Table", table.__table__).columns.keys()]


def _bind_processor(column_type: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    processor = column_type.dialect_impl(dialect).bind_processor(dialect)
    return cast("Callable[[Any], Any] | None", processor)

"""Configure the database engines, and open read and write transactions on them.

Only services open a transaction, once per use case; stores run queries inside it.

Lock order: a transaction takes its locks in this order, and rows of one table in the order of their
keys, so that two transactions never wait for each other. (SQLite has one lock for all writers.)

1. the advisory locks ADMINS, RETRAINS, MODELS
2. users: of whatever is about to be added or changed, the account that it belongs to
3. retrain jobs
4. predictions
5. a reviewer's last review, to undo it
6. review items
7. the advisory lock EXPERIMENTS, then experiments: whoever counts a label holds its experiment
8. reviews, then the counters of labels and of confidences
9. feedback, then its counters; predictions count traffic and latencies
10. the clock record, then alerts and notifications, which wait for nobody

tests/integration/test_lock_order.py runs all of them against each other.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import partial
from typing import Any, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Dialect, ExceptionContext, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.store.engine.database_errors import is_connection_useless
from app.store.engine.database_file import DatabaseFile, DatabaseFileGone
from app.store.engine.postgres_timeouts import TimeoutConnection
from app.store.tables import Base

BUSY_TIMEOUT_S = 10
BATCH_BIND = "batches"  # the bind key of the engine for batch writes
WRITE_OPTION = "cifra_writes"  # the execution option of a connection that will write


class AdvisoryLock(IntEnum):
    """Decisions that only one transaction at a time may make; values are PostgreSQL's lock keys.

    All workers on a database share them, so a value never changes.
    """

    MIGRATIONS = 20_260_901
    ADMINS = 20_260_902
    MODELS = 20_260_903
    RETRAINS = 20_260_904
    EXPERIMENTS = 20_260_905
    ALERTS = 20_260_906


class _Progress(threading.local):
    commits = 0


_progress = _Progress()
db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


def engine_options(database_url: str, threads: int) -> dict[str, Any]:
    """Return the settings of the main engine: a connection for each thread, and timeouts."""
    pool = {"pool_size": threads + 4, "max_overflow": 8, "pool_timeout": BUSY_TIMEOUT_S}
    shared = pool | {"hide_parameters": True}  # errors are logged, user data is not
    if database_url.startswith("sqlite"):
        driver = {"isolation_level": None, "timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
        return shared | {"connect_args": driver}
    return shared | {"pool_pre_ping": True, "connect_args": {"connect_timeout": BUSY_TIMEOUT_S}}


def batch_engine_options(database_url: str) -> dict[str, Any]:
    """Return the settings of the engine for batch writes, which run one at a time."""
    return engine_options(database_url, 0) | {"pool_size": 1, "max_overflow": 0}


def configure_engines(database_file: DatabaseFile | None) -> None:
    """Make SQLite durable, and begin its write transactions with BEGIN IMMEDIATE.

    The driver begins no transactions by itself (isolation_level None). BEGIN IMMEDIATE waits for
    the write lock up to the busy timeout; a transaction that reads first and then writes would
    fail at once with SQLITE_BUSY. Needs an application context.
    """
    if database_file is not None:
        for engine in db.engines.values():
            event.listen(engine, "do_connect", partial(_connect_sqlite, database_file))
        event.listen(db.engine, "connect", partial(_set_pragmas, "FULL"))
        event.listen(db.engine, "begin", partial(_begin_in_place, database_file))
        # Without an fsync per commit, batch writes survive the process (kill -9 included), but
        # not a power cut: tests/integration/test_durability.py.
        event.listen(db.engines[BATCH_BIND], "connect", partial(_set_pragmas, "NORMAL"))
    else:
        event.listen(db.engine, "handle_error", _discard_useless_connections)


def enable_timeouts() -> None:
    """Time out on a PostgreSQL that does not answer (postgres_timeouts.py), from now on.

    Only processes that serve requests call it; a migration or a recount may take any time. Needs
    an application context.
    """
    for engine in db.engines.values():
        if engine.dialect.name == "postgresql":
            event.listen(engine, "do_connect", _connect)
            engine.dispose()


def _connect_sqlite(
    database_file: DatabaseFile, _: Dialect, __: ConnectionPoolEntry, ___: Any, options: Any
) -> sqlite3.Connection:
    return database_file.connect(**options)


def _discard_useless_connections(context: ExceptionContext) -> None:
    """Replace the pool's connections if this one turns out to be read-only, after a failover."""
    if is_connection_useless(context.original_exception):
        context.is_disconnect = True


def _connect(_: Dialect, __: ConnectionPoolEntry, arguments: Any, options: Any) -> Any:
    return TimeoutConnection.open(*arguments, **options)


def dispose_engines() -> None:
    """Close all idle connections. Needs an application context."""
    for engine in db.engines.values():
        engine.dispose()


def begin_sqlite(connection: Connection) -> None:
    """Begin a transaction, with the write lock if the connection has WRITE_OPTION."""
    is_write = connection.get_execution_options().get(WRITE_OPTION, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _begin_in_place(database_file: DatabaseFile, connection: Connection) -> None:
    """Begin a transaction; refuse to write into a file that is no longer at its path."""
    begin_sqlite(connection)
    if connection.get_execution_options().get(WRITE_OPTION, False):
        try:
            database_file.require_in_place()
        except DatabaseFileGone as error:
            raise OperationalError(None, None, error) from error


def _set_pragmas(synchronous: str, connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # overwrite erased data


@contextmanager
def read_transaction() -> Iterator[Session]:
    """Open a transaction that reads one consistent snapshot.

    It ends with the block; rows that were loaded can still be read afterwards.
    """
    session = _idle_session()
    try:
        if db.engine.dialect.name == "postgresql":
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session
    finally:
        session.close()


@contextmanager
def write_transaction() -> Iterator[Session]:
    """Open a transaction that writes: commit after the block, or roll back if it raises.

    Rows are synced to disk before it returns.
    """
    session = _idle_session()
    try:
        session.connection(execution_options={WRITE_OPTION: True})
        yield session
        session.flush()
        _progress.commits += 1  # from here on nobody can tell whether it took effect
        session.commit()
    finally:
        session.close()


def commits_begun() -> int:
    """Return how many commits this thread has begun; retries.py repeats nothing after one."""
    return _progress.commits


def acquire(session: Session, lock: AdvisoryLock) -> None:
    """Wait for a lock, and hold it until the transaction ends.

    For decisions that rest on many rows, or on the absence of rows, where no row lock helps. SQLite
    runs one write transaction at a time anyway.
    """
    if db.engine.dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(lock)))


@contextmanager
def sqlite_connection() -> Iterator[sqlite3.Connection]:
    """Lend the driver's connection to SQLite, from the pool."""
    pooled = db.engine.raw_connection()
    try:
        yield cast("sqlite3.Connection", pooled.driver_connection)
    finally:
        pooled.close()


def count_connections() -> dict[str, int]:
    """Return how many of this process's connections are in use, and how many idle."""
    pool = db.engine.pool
    if not isinstance(pool, QueuePool):
        return {}
    return {"in_use": pool.checkedout(), "idle": pool.checkedin()}


def insert_for(session: Session, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT with ON CONFLICT clauses, in the dialect of the session's database."""
    return insert_for_dialect(session.get_bind().dialect, table)


def insert_for_dialect(dialect: Dialect, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT with ON CONFLICT clauses, in this dialect."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)


def _idle_session() -> Session:
    session = db.session()
    if session.in_transaction():
        raise RuntimeError("a transaction is already open; services must not nest them")
    return session

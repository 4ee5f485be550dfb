"""Configure the database engines, and open read and write transactions on them.

Only services open a transaction, once per use case; stores run queries inside it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import partial
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Dialect, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

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


def configure_engines() -> None:
    """Make SQLite durable, and begin its write transactions with BEGIN IMMEDIATE.

    The driver begins no transactions by itself (isolation_level None). BEGIN IMMEDIATE waits for
    the write lock up to the busy timeout; a transaction that reads first and then writes would
    fail at once with SQLITE_BUSY. Needs an application context.
    """
    if db.engine.dialect.name == "sqlite":
        event.listen(db.engine, "connect", partial(_set_pragmas, "FULL"))
        event.listen(db.engine, "begin", begin_sqlite)
        # Without an fsync per commit, batch writes survive the process (kill -9 included), but
        # not a power cut: tests/integration/test_durability.py.
        event.listen(db.engines[BATCH_BIND], "connect", partial(_set_pragmas, "NORMAL"))


def enable_timeouts() -> None:
    """Time out on a PostgreSQL that does not answer (postgres_timeouts.py), from now on.

    Only processes that serve requests call it; a migration or a recount may take any time. Needs
    an application context.
    """
    for engine in db.engines.values():
        if engine.dialect.name == "postgresql":
            event.listen(engine, "do_connect", _connect)
            engine.dispose()


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
        session.commit()
    finally:
        session.close()


def acquire(session: Session, lock: AdvisoryLock) -> None:
    """Wait for a lock, and hold it until the transaction ends.

    For decisions that rest on many rows, or on the absence of rows, where no row lock helps. SQLite
    runs one write transaction at a time anyway.
    """
    if db.engine.dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(lock)))


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

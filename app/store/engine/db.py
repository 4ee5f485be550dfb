"""The database: its engine's settings, and the two kinds of unit of work that services open.

Only services open a unit of work, once per use case; stores run queries inside it.
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

from app.store.engine.postgres_timeouts import PatientConnection
from app.store.tables import Base

BUSY_TIMEOUT_S = 10
BATCH_BIND = "groups"  # the name of the engine that group commits go through
WRITE_OPTION = "cifra_writes"  # the execution option of a connection whose transaction will write


class AdvisoryLock(IntEnum):
    """What only one unit of work at a time may decide; the numbers name locks in PostgreSQL."""

    MIGRATIONS = 20_260_901
    ADMINS = 20_260_902
    MODELS = 20_260_903
    RETRAINS = 20_260_904
    EXPERIMENTS = 20_260_905
    ALERTS = 20_260_906


db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


def engine_options(database_url: str, threads: int) -> dict[str, Any]:
    """Engine settings for SQLAlchemy: a connection for every thread, and bounded waits."""
    pool = {"pool_size": threads + 4, "max_overflow": 8, "pool_timeout": BUSY_TIMEOUT_S}
    shared = pool | {"hide_parameters": True}  # errors are logged; what people sent is not
    if database_url.startswith("sqlite"):
        driver = {"isolation_level": None, "timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
        return shared | {"connect_args": driver}
    return shared | {"pool_pre_ping": True, "connect_args": {"connect_timeout": BUSY_TIMEOUT_S}}


def batch_engine_options(database_url: str) -> dict[str, Any]:
    """Settings of the engine for group commits: one of them is written at a time."""
    return engine_options(database_url, 0) | {"pool_size": 1, "max_overflow": 0}


def configure_engines() -> None:
    """Make SQLite keep what it acknowledged and never upgrade a read to a write.

    The driver opens no transaction by itself (isolation_level None). A unit that writes begins
    with BEGIN IMMEDIATE and so waits for its turn up to the busy timeout; one that began by
    reading would be refused at once when it came to write. Needs an application context.
    """
    if db.engine.dialect.name == "sqlite":
        event.listen(db.engine, "connect", partial(_set_pragmas, "FULL"))
        event.listen(db.engine, "begin", begin_sqlite)
        # What groups commit is with the system, and so survives the end of this process, however.
        event.listen(db.engines[BATCH_BIND], "connect", partial(_set_pragmas, "NORMAL"))


def enable_timeouts() -> None:
    """Wait for PostgreSQL no longer than it may take to answer, from now on.

    For a process that serves; a migration or a recount may take as long as it takes. Needs an
    application context.
    """
    for engine in db.engines.values():
        if engine.dialect.name == "postgresql":
            event.listen(engine, "do_connect", _connect)
            engine.dispose()


def _connect(_: Dialect, __: ConnectionPoolEntry, arguments: Any, options: Any) -> Any:
    return PatientConnection.open(*arguments, **options)


def dispose_engines() -> None:
    """Let go of all connections that are not in use. Needs an application context."""
    for engine in db.engines.values():
        engine.dispose()


def begin_sqlite(connection: Connection) -> None:
    """Begin a transaction of the kind that the unit of work asked for."""
    writes = connection.get_execution_options().get(WRITE_OPTION, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_pragmas(synchronous: str, connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # what is erased is overwritten


@contextmanager
def read_transaction() -> Iterator[Session]:
    """Open a unit of work that reads one consistent state.

    It ends with the block; rows that were read can still be looked at afterwards.
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
    """Open a unit of work that writes: committed with the block, or rolled back by an error.

    Rows are synced to disk before it returns.
    """
    session = _idle_session()
    try:
        session.connection(execution_options={WRITE_OPTION: True})
        yield session
        session.commit()
    finally:
        session.close()


def acquire(session: Session, turn: AdvisoryLock) -> None:
    """Wait until no other unit of work has this turn, and keep it to the end of this one.

    For units that look at many rows, or at none, and decide by what they saw. SQLite lets one unit
    write at a time anyway.
    """
    if db.engine.dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(turn)))


def count_connections() -> dict[str, int]:
    """How many connections of this process are in use, and how many are kept for the next one."""
    pool = db.engine.pool
    if not isinstance(pool, QueuePool):
        return {}
    return {"in_use": pool.checkedout(), "idle": pool.checkedin()}


def insert_for(session: Session, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what to do on a conflict, in the database's own dialect."""
    return insert_for_dialect(session.get_bind().dialect, table)


def insert_for_dialect(dialect: Dialect, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """The same for a dialect."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)


def _idle_session() -> Session:
    session = db.session()
    if session.in_transaction():
        raise RuntimeError("a unit of work is open already; services do not nest them")
    return session

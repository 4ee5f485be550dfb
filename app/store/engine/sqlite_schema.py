"""Compare the tables of a SQLite file with those that Cifra's migrations create.

A file that somebody hands over is asked itself what it contains: its manifest can claim anything.
Whatever could act by itself (triggers, views, virtual tables) and whatever else Cifra did not
create is found here, and dropped before any row is read.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KEPT_TABLES = frozenset({"old_user", "old_feedback"})  # of migration 0002: rows it could not copy
_OWN_TABLES = frozenset({"sqlite_sequence", "sqlite_stat1", "sqlite_stat4"})  # of SQLite itself
_DROP_ORDER = ("trigger", "view", "index", "table")


@dataclass(frozen=True)
class Schema:
    """The columns of each table, and of each index its table, columns and uniqueness."""

    tables: dict[str, frozenset[tuple[Any, ...]]]
    indexes: dict[str, tuple[Any, ...]]


@dataclass(frozen=True)
class ForeignObject:
    """A table, index, trigger or view that Cifra did not create."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


def read_schema(path: Path) -> Schema:
    """Return the tables and indexes of a database. Raises sqlite3.Error."""
    with closing(open_untrusted(path)) as database:
        found = _list_objects(database)
        return Schema(
            {name: _columns(database, name) for kind, name, *_ in found if kind == "table"},
            {
                name: _index(database, name, table)
                for kind, name, table, sql in found
                if kind == "index" and sql
            },
        )


def describe_difference(path: Path, expected: Schema) -> str | None:
    """Return what a database lacks, or has otherwise, of a schema; None if it has all of it.

    Raises sqlite3.Error.
    """
    found = read_schema(path)
    for table, columns in expected.tables.items():
        if table not in found.tables:
            return f"it has no table {table}"
        if differing := {column[0] for column in columns ^ found.tables[table]}:
            return f"the table {table} has other columns: {', '.join(sorted(map(repr, differing)))}"
    for name, index in expected.indexes.items():
        if found.indexes.get(name) != index:
            return f"the index {name} is missing or different"
    return None


def list_foreign_objects(path: Path, expected: Schema) -> list[ForeignObject]:
    """Return what a database has beyond a schema, in an order to drop it. Raises sqlite3.Error."""
    known = {
        "table": expected.tables.keys() | _KEPT_TABLES | _OWN_TABLES,
        "index": expected.indexes.keys(),
    }
    with closing(open_untrusted(path)) as database:
        found = [
            ForeignObject(kind, name)
            for kind, name, _, sql in _list_objects(database)
            if name not in known.get(kind, ()) and not (kind == "index" and sql is None)
        ]
    return sorted(found, key=lambda each: (_DROP_ORDER.index(each.kind), each.name))


def drop(path: Path, objects: Sequence[ForeignObject]) -> None:
    """Drop objects; none of them runs while that happens. Raises sqlite3.Error."""
    with closing(open_untrusted(path)) as database:
        for each in objects:
            quoted = each.name.replace('"', '""')
            database.execute(f'DROP {each.kind} IF EXISTS "{quoted}"')


def count_rows(path: Path) -> dict[str, int]:
    """Return the number of rows of each of Cifra's tables. Raises sqlite3.Error."""
    with closing(open_untrusted(path)) as database:
        names = [name for kind, name, *_ in _list_objects(database) if kind == "table"]
        return {
            name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608
            for name in sorted(set(names) - _OWN_TABLES - {"alembic_version"})
        }


def open_untrusted(path: Path) -> sqlite3.Connection:
    """Open a file whose schema may call no function that has effects outside of the query."""
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None)
    database.execute("PRAGMA trusted_schema=OFF")
    database.execute("PRAGMA cell_size_check=ON")
    database.execute("PRAGMA secure_delete=ON")
    return database


def _list_objects(database: sqlite3.Connection) -> list[tuple[str, str, str, str | None]]:
    """Return kind, name, table and SQL of every object."""
    found = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetchall()
    if any(kind not in _DROP_ORDER for kind, *_ in found):
        raise sqlite3.DatabaseError("malformed database schema")
    return found


def _columns(database: sqlite3.Connection, table: str) -> frozenset[tuple[Any, ...]]:
    """Return name, type, NOT NULL, place in the primary key, and kind (0: plain) of each column."""
    query = 'SELECT name, upper(type), "notnull", pk, hidden FROM pragma_table_xinfo(?)'
    return frozenset(database.execute(query, (table,)))


def _index(database: sqlite3.Connection, name: str, table: str) -> tuple[Any, ...]:
    unique = 'SELECT "unique" FROM pragma_index_list(?) WHERE name = ?'
    columns = database.execute("SELECT name FROM pragma_index_info(?)", (name,)).fetchall()
    return (table, *database.execute(unique, (table, name)).fetchone(), *columns)

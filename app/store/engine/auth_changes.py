"""Count the commits of this process that change accounts or logins, so that caches can be dropped.

A cached token check is valid only while `auth_version()` is unchanged: a logout, a lock or a new
role is in force here with its commit (tests/store/engine/test_auth_changes.py). Other processes
learn of it when their cache entry expires.
"""

import itertools
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, scoped_session

from app.store.tables import LoginSession, User

KEEPS_SESSIONS = "cifra_keeps_sessions"  # the execution option of a statement that ends no login

_CHANGED = "cifra_auth_changed"  # the key in Session.info
_counter = itertools.count(1)
_version = 0


def auth_version() -> int:
    """Return a number that differs after each commit that changed an account or a login here."""
    return _version


def track_changes(sessions: scoped_session[Any]) -> None:
    """Track the transactions of these sessions; calling it again has no effect."""
    for name, listener in _LISTENERS.items():
        if not event.contains(sessions, name, listener):
            event.listen(sessions, name, listener)


def _flag_changed_rows(session: Session, *_: object) -> None:
    if any(isinstance(row, (LoginSession, User)) for row in (*session.dirty, *session.deleted)):
        session.info[_CHANGED] = True


def _flag_bulk_statement(state: ORMExecuteState) -> None:
    """Flag UPDATE and DELETE statements, whose rows are in neither `dirty` nor `deleted`."""
    if (state.is_update or state.is_delete) and not state.execution_options.get(KEEPS_SESSIONS):
        mapper = state.bind_mapper
        if mapper is not None and mapper.class_ in (LoginSession, User):
            state.session.info[_CHANGED] = True


def _advance_version(session: Session) -> None:
    global _version  # noqa: PLW0603  one process, one number
    if session.info.pop(_CHANGED, False):
        _version = next(_counter)


_LISTENERS: dict[str, Callable[..., None]] = {
    "before_flush": _flag_changed_rows,
    "do_orm_execute": _flag_bulk_statement,
    "after_commit": _advance_version,
}

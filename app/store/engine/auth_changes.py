"""Tells when this process changed an account or a login, so that nothing remembered outlives it."""

import itertools
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, scoped_session

from app.store.tables import LoginSession, User

KEEPS_SESSIONS = "cifra_harmless"  # the execution option of a statement that ends no login

_FLAG = "cifra_revokes"
_counter = itertools.count(1)
_latest = 0


def auth_version() -> int:
    """A number that is another one after each commit that changed an account or a login here."""
    return _latest


def track_changes(sessions: scoped_session[Any]) -> None:
    """Have the units of work of these sessions noticed; again is no matter."""
    for name, notice in _NOTICES.items():
        if not event.contains(sessions, name, notice):
            event.listen(sessions, name, notice)


def _see_rows(session: Session, *_: object) -> None:
    if any(isinstance(row, (LoginSession, User)) for row in (*session.dirty, *session.deleted)):
        session.info[_FLAG] = True


def _see_statement(state: ORMExecuteState) -> None:
    if (state.is_update or state.is_delete) and not state.execution_options.get(KEEPS_SESSIONS):
        mapper = state.bind_mapper
        if mapper is not None and mapper.class_ in (LoginSession, User):
            state.session.info[_FLAG] = True


def _tell(session: Session) -> None:
    global _latest  # noqa: PLW0603  one process, one number
    if session.info.pop(_FLAG, False):
        _latest = next(_counter)


_NOTICES: dict[str, Callable[..., None]] = {
    "before_flush": _see_rows,
    "do_orm_execute": _see_statement,
    "after_commit": _tell,
}

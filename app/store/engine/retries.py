"""Run a use case again if the database rolled back its transaction through no fault of its own.

PostgreSQL ends one of two transactions that wait for each other (a deadlock). And a connection of
the pool may turn out to be of no use: the server restarted, or is only a standby since a failover.

Nothing is applied twice: once a thread has begun a commit nobody can tell whether it took effect
(the connection may be lost during it), so from then on an error is raised, never retried.
tests/store/engine/test_retries.py provokes both on a real PostgreSQL.
"""

import secrets
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

from app.store.engine.database_errors import is_conflict, is_connection_lost
from app.store.engine.db import commits_begun

MAX_ATTEMPTS = 5
MAX_PAUSE_MS = 20  # times the number of attempts; random, so that two do not meet again

_P = ParamSpec("_P")
_Result = TypeVar("_Result")


class _State(threading.local):
    is_in_use_case = False


_state = _State()


def retried(use_case: Callable[_P, _Result]) -> Callable[_P, _Result]:
    """Decorate a use case that writes: run it again if its transaction was rolled back.

    What it does besides its transaction must be harmless to repeat. Inside another decorated use
    case it runs once: the outer one is repeated.
    """

    @wraps(use_case)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _Result:
        if _state.is_in_use_case:
            return use_case(*args, **kwargs)
        _state.is_in_use_case = True
        try:
            return _run(lambda: use_case(*args, **kwargs))
        finally:
            _state.is_in_use_case = False

    return run


def may_retry(error: DBAPIError, attempt: int) -> bool:
    """Return whether an attempt, counted from 1, may be repeated if it has begun no commit."""
    if is_conflict(error):
        return attempt < MAX_ATTEMPTS
    # One fresh connection is enough: SQLAlchemy replaces all those of its pool together.
    return attempt == 1 and is_connection_lost(error)


def pause(attempt: int) -> None:
    """Wait for some random milliseconds, longer after more attempts."""
    time.sleep(secrets.randbelow(MAX_PAUSE_MS * attempt) / 1000)


def _run(call: Callable[[], _Result]) -> _Result:
    attempt = 1
    while True:
        commits = commits_begun()
        try:
            return call()
        except DBAPIError as error:
            if commits_begun() != commits or not may_retry(error, attempt):
                raise
        pause(attempt)
        attempt += 1

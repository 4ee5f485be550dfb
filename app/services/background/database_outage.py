"""Work that goes on after a database outage: one line in the log when it begins, one at its end."""

import logging
from collections.abc import Callable

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

RETRY_DELAY_S = 2.0

_OUTAGE_ERRORS = (InterfaceError, InternalError, OperationalError, PoolTimeoutError)

_log = logging.getLogger(__name__)


class DatabaseOutage:
    """Whether the database answered the last of somebody's calls."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._has_begun = False

    def attempt(self, call: Callable[[], object]) -> bool:
        """Make a call; return False if the database did not answer. Other errors are raised."""
        try:
            call()
        except _OUTAGE_ERRORS as error:  # no traceback: its text says all
            if not self._has_begun:
                _log.warning(
                    "%s: the database did not answer: %s; trying again every %g s",
                    self._name,
                    _first_line(error),
                    RETRY_DELAY_S,
                )
            self._has_begun = True
            return False
        if self._has_begun:
            _log.info("%s: the database answers again", self._name)
        self._has_begun = False
        return True


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]

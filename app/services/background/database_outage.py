"""Work that goes on after a database outage: one line in the log when it begins, one at its end."""

import logging
from collections.abc import Callable

from app.store.engine.database_errors import describe

RETRY_DELAY_S = 2.0

_log = logging.getLogger(__name__)


class DatabaseOutage:
    """Whether the database answered the last of somebody's calls."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._has_begun = False

    def attempt(self, call: Callable[[], object]) -> bool:
        """Make a call; return False if the database failed. Other errors are raised."""
        try:
            call()
        except Exception as error:
            failure = describe(error)
            if failure is None:
                raise
            if not self._has_begun:  # no traceback: its text says all
                _log.warning("%s: %s; trying again every %g s", self._name, failure, RETRY_DELAY_S)
            self._has_begun = True
            return False
        if self._has_begun:
            _log.info("%s: the database answers again", self._name)
        self._has_begun = False
        return True

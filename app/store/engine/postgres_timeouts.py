"""PostgreSQL connections that wait for a server no longer than it may take to answer."""

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

TIMEOUT_S = 10.0
OPEN_CIRCUIT_TIMEOUT_S = 1.0
CONNECT_TIMEOUT_S, OPEN_CIRCUIT_CONNECT_TIMEOUT_S = 10, 2  # libpq takes no less than 2
CIRCUIT_OPEN_S = 5.0

_Waited = TypeVar("_Waited")


class TimeoutConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server that has stopped, which no timeout of libpq does.

    Its kernel goes on taking and acknowledging what is sent. Once one connection of this process
    has given up, the others are wary for a while and do so sooner: each request may wait on several
    in turn.
    """

    _wary_until_s = float("-inf")

    @classmethod
    def open(cls, *arguments: Any, **options: Any) -> "TimeoutConnection":
        """Connect. Raises OperationalError where nobody answers in time."""
        wait_s = OPEN_CIRCUIT_CONNECT_TIMEOUT_S if cls._is_wary() else CONNECT_TIMEOUT_S
        try:
            return cls.connect(*arguments, **(options | {"connect_timeout": wait_s}))
        except psycopg.errors.ConnectionTimeout:
            cls._be_wary()
            raise

    def wait(
        self, gen: PQGen[_Waited], interval: float = 0.1, timeout: float | None = None
    ) -> _Waited:
        """Wait as psycopg does. Raises OperationalError when patience is at its end."""
        if timeout is None:
            timeout = OPEN_CIRCUIT_TIMEOUT_S if self._is_wary() else TIMEOUT_S
        begun_s = time.monotonic()
        try:
            waited = super().wait(gen, interval, timeout)
        except psycopg.OperationalError as error:
            is_silent = time.monotonic() - begun_s >= timeout
            if not is_silent or self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self._be_wary()
            self.close()  # what it would still answer is nobody's any more
            raise psycopg.OperationalError("PostgreSQL does not answer") from error
        TimeoutConnection._wary_until_s = float("-inf")  # it was a lock, or the server is back
        return waited

    @classmethod
    def _is_wary(cls) -> bool:
        return time.monotonic() < TimeoutConnection._wary_until_s

    @classmethod
    def _be_wary(cls) -> None:
        TimeoutConnection._wary_until_s = time.monotonic() + CIRCUIT_OPEN_S

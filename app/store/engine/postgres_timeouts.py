"""A circuit breaker for PostgreSQL: connections that time out when the server stops answering.

libpq has no timeout for this case: the kernel below a stopped PostgreSQL still acknowledges what is
sent, so neither TCP keepalives nor tcp_user_timeout fire.

A wait of `TIMEOUT_S` without an answer opens the circuit of the whole process for `CIRCUIT_OPEN_S`.
While it is open, every wait ends after `OPEN_CIRCUIT_TIMEOUT_S`, because one request may wait on
several connections in turn. Any answer closes it. A statement that waits long for a lock looks like
a stopped server, so processes that migrate or recount do without (enable_timeouts in db.py).

tests/integration/test_postgres_faults.py stops a real PostgreSQL;
tests/store/engine/test_postgres_timeouts.py opens the circuit and closes it.
"""

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

TIMEOUT_S = 10.0
OPEN_CIRCUIT_TIMEOUT_S = 1.0
CONNECT_TIMEOUT_S, OPEN_CIRCUIT_CONNECT_TIMEOUT_S = 10, 2  # 2 is the least that libpq takes
CIRCUIT_OPEN_S = 5.0

_Result = TypeVar("_Result")


class ServerTimeout(psycopg.OperationalError):
    """The server did not answer in time; trying again at once would only wait again."""


class TimeoutConnection(psycopg.Connection[Any]):
    """A psycopg connection that gives up on a server which does not answer."""

    _circuit_open_until_s = float("-inf")  # of the process: set on this class only

    @classmethod
    def open(cls, *arguments: Any, **options: Any) -> "TimeoutConnection":
        """Connect. Raises OperationalError when nobody answers in time."""
        timeout_s = OPEN_CIRCUIT_CONNECT_TIMEOUT_S if cls._is_circuit_open() else CONNECT_TIMEOUT_S
        try:
            return cls.connect(*arguments, **(options | {"connect_timeout": timeout_s}))
        except psycopg.errors.ConnectionTimeout:
            cls._open_circuit()
            raise

    def wait(
        self, gen: PQGen[_Result], interval: float = 0.1, timeout: float | None = None
    ) -> _Result:
        """Wait for an answer as psycopg does. Raises ServerTimeout after the timeout."""
        if timeout is None:
            timeout = OPEN_CIRCUIT_TIMEOUT_S if self._is_circuit_open() else TIMEOUT_S
        started_at_s = time.monotonic()
        try:
            result = super().wait(gen, interval, timeout)
        except psycopg.OperationalError as error:
            # An OperationalError may also be the server's answer (a deadlock, say). It is a timeout
            # only if the time is up and the statement is still ACTIVE.
            is_timeout = time.monotonic() - started_at_s >= timeout
            if not is_timeout or self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self._open_circuit()
            self.close()  # a late answer must not be taken for that of the next statement
            raise ServerTimeout("PostgreSQL does not answer") from error
        TimeoutConnection._circuit_open_until_s = float("-inf")
        return result

    @classmethod
    def _is_circuit_open(cls) -> bool:
        return time.monotonic() < TimeoutConnection._circuit_open_until_s

    @classmethod
    def _open_circuit(cls) -> None:
        TimeoutConnection._circuit_open_until_s = time.monotonic() + CIRCUIT_OPEN_S

"""PostgreSQL connections that wait for a server no longer than it may take to answer."""

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

PATIENCE_S = 10.0

_Waited = TypeVar("_Waited")


class PatientConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server that has stopped, which no timeout of libpq does.

    Its kernel goes on taking and acknowledging what is sent.
    """

    def wait(
        self, gen: PQGen[_Waited], interval: float = 0.1, timeout: float | None = None
    ) -> _Waited:
        """Wait as psycopg does. Raises OperationalError when patience is at its end."""
        try:
            return super().wait(gen, interval, PATIENCE_S if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()  # what it would still answer is nobody's any more
            raise psycopg.OperationalError("PostgreSQL does not answer") from error

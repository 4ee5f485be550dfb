"""The circuit breaker of PostgreSQL connections."""

import psycopg
import pytest

from app.store.engine import postgres_timeouts
from app.store.engine.postgres_timeouts import TimeoutConnection


def test_timeout_opens_the_circuit_and_an_answer_closes_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_timeouts, "TIMEOUT_S", 0.5)
    with TimeoutConnection.open(postgres_url) as slow, pytest.raises(psycopg.OperationalError):
        slow.execute("SELECT pg_sleep(5)")
    assert TimeoutConnection._is_circuit_open()
    with TimeoutConnection.open(postgres_url) as quick:
        assert quick.execute("SELECT 1").fetchone() == (1,)
    assert not TimeoutConnection._is_circuit_open()

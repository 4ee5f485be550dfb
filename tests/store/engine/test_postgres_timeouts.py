"""Patience with PostgreSQL: little of it only while nothing answers."""

import psycopg
import pytest

from app.store.engine import postgres_timeouts
from app.store.engine.postgres_timeouts import TimeoutConnection


def test_whoever_answers_is_trusted_again(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_timeouts, "TIMEOUT_S", 0.5)
    with TimeoutConnection.open(postgres_url) as slow, pytest.raises(psycopg.OperationalError):
        slow.execute("SELECT pg_sleep(5)")
    assert TimeoutConnection._is_circuit_open()
    with TimeoutConnection.open(postgres_url) as quick:
        assert quick.execute("SELECT 1").fetchone() == (1,)
    assert not TimeoutConnection._is_circuit_open()

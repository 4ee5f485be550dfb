"""Erased data leaves the write-ahead log, and a long reader does not stop writers each second."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from app.store.engine import wal_cleanup
from app.store.engine.wal_cleanup import WalCleanup


def test_while_somebody_reads_for_long_it_tries_less_and_less_often(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal_cleanup, "WAIT_S", 0.01)
    now_s = [0.0]
    monkeypatch.setattr(wal_cleanup.time, "monotonic", lambda: now_s[0])
    attempts: list[float] = []
    truncate = wal_cleanup.truncate_wal

    def counted(database: Path) -> bool:
        attempts.append(now_s[0])
        return truncate(database)

    monkeypatch.setattr(wal_cleanup, "truncate_wal", counted)
    database = tmp_path / "app.db"
    cleanup = WalCleanup(database)
    with (
        closing(sqlite3.connect(database)) as writer,
        closing(sqlite3.connect(database, isolation_level=None)) as reader,
    ):
        writer.execute("CREATE TABLE extra (x)")
        writer.commit()
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM extra").fetchall()
        writer.execute("INSERT INTO extra VALUES (1)")
        writer.commit()
        wal_cleanup.mark_dirty()
        for second in range(40):
            now_s[0] = float(second)
            cleanup.run()
        assert attempts == [0, 1, 3, 7, 15, 25, 35]
        reader.execute("COMMIT")
        now_s[0] = 45.0
        cleanup.run()
        assert database.with_name("app.db-wal").stat().st_size == 0

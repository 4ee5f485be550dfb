"""The retention command: a rehearsal erases nothing, a sweep now, a clock that is not trusted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app.services.notifications import alerts
from app.store.engine.db import read_transaction, write_transaction
from tests.conftest import GoldenSet, register_user
from tests.support.cli import run_flask

YEAR = {"RETENTION_DAYS": "365"}
OLD = datetime.now(UTC) - timedelta(days=400)


@pytest.fixture
def data_dir(app: Flask, golden: GoldenSet, tmp_path: Path) -> Path:
    """Return the folder of a database with two old images, one with feedback, and a new one."""
    ana = register_user(app, "ana")
    made = [ana.predict("v2", golden.png(at)).get_json()["prediction_id"] for at in range(3)]
    feedback = {"prediction_id": made[0], "correct": True}
    assert ana.call("POST", "/feedback", json=feedback).status_code == 201
    with app.app_context(), write_transaction() as session:
        session.execute(text("PRAGMA defer_foreign_keys=ON"))
        for at, each in enumerate(made[:2]):
            values = {"old": f"{int(OLD.timestamp() * 1000):012x}{at:020x}", "at": OLD}
            for change in (
                "feedback SET prediction_id = :old WHERE prediction_id",
                "prediction SET id = :old, created_at = :at WHERE id",
            ):
                session.execute(
                    text(f"UPDATE {change} = :id"), values | {"id": each.replace("-", "")}
                )
    return tmp_path


def count(app: Flask, table: str = "prediction WHERE digit_image IS NOT NULL") -> int:
    with app.app_context(), read_transaction() as session:
        return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_a_dry_run_shows_what_would_be_erased_and_erases_nothing(
    app: Flask, data_dir: Path
) -> None:
    run = run_flask(data_dir, "retention", "--dry-run", **YEAR)
    assert run.returncode == 0
    at = f"{OLD:%Y-%m-%d %H:%M} UTC"
    lines = run.stdout.splitlines()
    assert lines[0].endswith("UTC, trusted")
    assert lines[1].startswith("expired: what is from before ")
    assert lines[2:] == [
        f"images: 2 of 3, from {at} to {at}",
        "owners of these images: 1 of 1",
        "feedback: 1 on these images, 0 on none",
        "logins: 0 expired more than 30 days ago",
        "nothing was erased: --dry-run",
    ]
    assert (count(app), count(app, "feedback"), count(app, "clock_record")) == (3, 1, 0)


def test_the_command_erases_what_the_dry_run_shows(app: Flask, data_dir: Path) -> None:
    run = run_flask(data_dir, "retention", **YEAR)
    assert run.stdout.splitlines()[-1] == (
        "erased 2 images of 1 users, 1 feedback, 0 expired logins"
    )
    assert run.stderr.splitlines()[-1] == "erasing: 100%"
    assert (count(app), count(app, "feedback")) == (1, 0)


def test_a_clock_that_is_not_trusted_needs_a_confirmation(app: Flask, data_dir: Path) -> None:
    with app.app_context(), write_transaction() as session:
        seen = "INSERT INTO clock_record (id, seen_at) VALUES (1, :old)"
        session.execute(text(seen), {"old": OLD})
    dry = run_flask(data_dir, "retention", "--dry-run", **YEAR)
    assert "not trusted until" in dry.stdout.splitlines()[0]
    refused = run_flask(data_dir, "retention", **YEAR)
    assert refused.returncode == 1
    assert "Error: Nothing was erased: the clock says" in refused.stderr
    assert count(app) == 3
    assert run_flask(data_dir, "retention", "--confirm", **YEAR).returncode == 0
    assert count(app) == 1
    with app.app_context():
        assert [alert.kind for alert in alerts.list_recent(10)] == ["clock"]


def test_without_the_setting_or_a_database_it_says_so_in_one_line(
    data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    unset = run_flask(data_dir, "retention", "--dry-run")
    assert (unset.returncode, unset.stderr) == (
        1,
        "Error: RETENTION_DAYS is not set, so nothing expires. Set it to a number\n",
    )
    empty = run_flask(tmp_path_factory.mktemp("empty"), "retention", **YEAR)
    assert empty.returncode == 1
    assert empty.stderr.startswith("Error: The database does not answer: ")
    assert empty.stderr.count("\n") == 1

"""A wrong clock erases nothing; a right one does again, after a while or when an admin says so."""

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import text

from app.services.accounts import sessions
from app.services.maintenance import clock_guard
from app.services.maintenance.clock_guard import CONFIRMATION, MAX_JUMP, ClockGuard
from app.services.maintenance.retention import LOGIN_GRACE, Retention
from app.services.notifications import alerts
from app.store.engine import migration_state
from app.store.engine.db import read_transaction, write_transaction
from config import ROOT
from tests.conftest import GoldenSet, UserClient, admin_client, register_user
from tests.support.clocks import clock_ahead

DAYS = 365
AHEAD = timedelta(days=400)
IMAGES = 20


class Time:
    """The clock, and the time that passes; a test sets both."""

    def __init__(self) -> None:
        self.now, self.elapsed_s = datetime.now(UTC), 1_000.0

    def pass_by(self, duration: timedelta) -> None:
        """Let time pass, with a clock that goes right."""
        self.now += duration
        self.elapsed_s += duration.total_seconds()

    def guard(self, days: int | None = DAYS) -> ClockGuard:
        """Return the guard of a process that starts now."""
        return ClockGuard(days, lambda: self.now, lambda: self.elapsed_s)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def on_app(app_on_each: Flask) -> Iterator[Flask]:
    """Push an application's context, on SQLite and on PostgreSQL."""
    with app_on_each.app_context():
        yield app_on_each


def start(clock: Time) -> Retention:
    """Start a process: its first turn, and its sweep if it is allowed to."""
    started = Retention(DAYS, clock.guard())
    started.run(threading.Event())
    return started


def count_images(app: Flask) -> int:
    with app.app_context(), read_transaction() as session:
        return int(session.execute(text("SELECT count(digit_image) FROM prediction")).scalar_one())


def clock_alerts(app: Flask) -> list[str]:
    with app.app_context():
        return [alert.message for alert in alerts.list_recent(10) if alert.kind == "clock"]


def test_a_start_with_the_clock_400_days_ahead_erases_nothing_and_alerts_once(
    app_on_each: Flask, golden: GoldenSet, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    ana = register_user(app_on_each, "ana")
    for at in range(IMAGES):
        ana.predict("v2", golden.png(at))
    caplog.set_level(logging.WARNING, "app.services.maintenance.clock_guard")
    with app_on_each.app_context():
        start(clock)
        clock.now += AHEAD
        for _ in range(3):  # it is restarted, and each process runs for a while
            started = start(clock)
            clock.pass_by(timedelta(minutes=5))
            started.run(threading.Event())
    assert count_images(app_on_each) == IMAGES
    (message,) = clock_alerts(app_on_each)
    assert "400.0 days after Cifra last ran. Nothing is erased by age until" in message
    assert "set it" in message
    assert [record.getMessage() for record in caplog.records] == [message]
    shown = admin_client(app_on_each).call("GET", "/admin/alerts").get_json()["alerts"]
    assert [alert["kind"] for alert in shown] == ["clock"]


def test_a_clock_that_jumps_while_it_serves_erases_nothing_and_alerts_once(
    app_on_each: Flask, golden: GoldenSet, clock: Time
) -> None:
    register_user(app_on_each, "ana").predict("v2", golden.png(0))
    with app_on_each.app_context():
        processes = [start(clock) for _ in range(2)]
        clock.now += AHEAD
        for process in processes * 2:
            clock.pass_by(timedelta(minutes=1))
            process.run(threading.Event())
    assert count_images(app_on_each) == 1
    (message,) = clock_alerts(app_on_each)
    assert "400.0 days after the time that it should show" in message


@pytest.mark.parametrize("jump", [AHEAD, timedelta(hours=1, minutes=1), -timedelta(hours=2)])
def test_a_jump_while_it_serves_is_noticed_in_either_direction(
    on_app: Flask, clock: Time, jump: timedelta
) -> None:
    guard = clock.guard()
    assert guard.check().is_trusted
    clock.pass_by(timedelta(minutes=1))
    assert guard.check().is_trusted
    clock.now += jump
    clock.pass_by(timedelta(minutes=1))
    assert not guard.check().is_trusted
    assert len(clock_alerts(on_app)) == 1


@pytest.mark.parametrize("step", [MAX_JUMP, -MAX_JUMP])
def test_small_steps_and_a_machine_that_slept_are_no_jump(
    on_app: Flask, clock: Time, step: timedelta
) -> None:
    guard = clock.guard()
    guard.check()
    clock.now += step
    assert guard.check().is_trusted
    clock.pass_by(timedelta(days=30))
    assert guard.check().is_trusted
    assert clock_alerts(on_app) == []


def test_once_the_clock_is_set_right_it_is_trusted_after_the_same_time(
    on_app: Flask, clock: Time
) -> None:
    clock.guard().check()
    clock.now += AHEAD
    clock.guard().check()
    clock.now -= AHEAD
    guard = clock.guard()
    assert not guard.check().is_trusted
    clock.pass_by(CONFIRMATION)
    assert guard.check().is_trusted
    clock.now += AHEAD
    assert not clock.guard().check().is_trusted  # the second time it is noticed like the first
    assert len(clock_alerts(on_app)) == 3


def test_a_server_that_was_off_for_200_days_erases_again_after_three_days(
    app_on_each: Flask, golden: GoldenSet, clock: Time
) -> None:
    register_user(app_on_each, "ana").predict("v2", golden.png(0))
    with app_on_each.app_context():
        start(clock)
        clock.now += timedelta(days=200)
        clock.elapsed_s = 0.0  # it was switched off
        started = start(clock)
        assert len(clock_alerts(app_on_each)) == 1
        clock.pass_by(timedelta(days=166))
        started.run(threading.Event())
        assert count_images(app_on_each) == 0
    assert len(clock_alerts(app_on_each)) == 1


def test_an_admin_can_confirm_that_the_clock_is_right(on_app: Flask, clock: Time) -> None:
    with write_transaction() as session:
        old = {"old": datetime.now(UTC) - timedelta(days=200)}
        session.execute(text("INSERT INTO clock_record (id, seen_at) VALUES (1, :old)"), old)
    assert not clock_guard.preview(DAYS).is_trusted
    assert clock_alerts(on_app) == []
    guard = clock.guard()
    assert not guard.check().is_trusted
    clock_guard.confirm()
    assert clock_guard.preview(DAYS).is_trusted
    clock.pass_by(timedelta(minutes=1))
    assert guard.check().is_trusted


@pytest.mark.parametrize(
    ("days", "off", "is_trusted"),
    [
        (None, 6.9, True),
        (None, 7.1, False),
        (365, 6.9, True),
        (365, 7.1, False),
        (10, 0.9, True),
        (10, 1.1, False),
    ],
)
def test_how_long_a_server_may_be_off_depends_on_the_retention_period(
    app: Flask, clock: Time, days: int | None, off: float, *, is_trusted: bool
) -> None:
    with app.app_context():
        clock.guard(days).check()
        clock.pass_by(timedelta(days=off))
        assert clock.guard(days).check().is_trusted is is_trusted


def test_a_database_of_an_earlier_release_has_the_time_of_its_newest_row(
    on_app: Flask, clock: Time
) -> None:
    migration_state.register_flask_migrate(on_app, ROOT / "migrations")
    flask_migrate.downgrade(revision="0008")
    flask_migrate.upgrade()
    clock.now += AHEAD
    assert not clock.guard().check().is_trusted
    assert len(clock_alerts(on_app)) == 1


def test_a_clock_ahead_ends_no_login_and_expired_ones_are_deleted_late(
    app_on_each: Flask, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = register_user(app_on_each, "ana")

    def count_logins() -> int:
        with app_on_each.app_context(), read_transaction() as session:
            return int(session.execute(text("SELECT count(*) FROM login_session")).scalar_one())

    with app_on_each.app_context():
        start(clock)
    with monkeypatch.context() as patched:
        patched.setattr(sessions, "datetime", clock_ahead(AHEAD))
        UserClient(app_on_each, "ana", "password of ana")  # a login under the wrong clock
        clock.now += AHEAD
        with app_on_each.app_context():
            start(clock)
    clock.now -= AHEAD
    assert ana.call("GET", "/predictions").status_code == 200
    assert count_logins() == 2
    with app_on_each.app_context():
        started = start(clock)
        clock.pass_by(CONFIRMATION + timedelta(days=30) + LOGIN_GRACE)
        started.run(threading.Event())
    assert count_logins() == 1  # that of the wrong clock lasts longer

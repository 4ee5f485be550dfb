"""Data retention: what is erased, what is kept, and that the counters still match the rows."""

import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from app.services.maintenance import counter_audit, retention
from app.services.maintenance.retention import Erased, Retention, sweep
from app.services.notifications import alerts
from app.store.engine.db import read_transaction, write_transaction
from tests.conftest import Disagreements, GoldenSet, UserClient, admin_client, register_user
from tests.services.reviews.test_review_queue import (
    create_disagreements,
    current_experiment,
    label_all,
    request_item,
)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=5)  # after whatever a test stores


def stored_counts(app: Flask) -> tuple[int, int, int]:
    """Return the numbers of images, predictions with an owner, and feedback rows."""
    with app.app_context(), read_transaction() as session:
        query = "SELECT count(digit_image), count(user_id), (SELECT count(*) FROM feedback)"
        images, owned, feedback = session.execute(text(f"{query} FROM prediction")).one()
    return images, owned, feedback


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MIN_PAUSE_S", 0.0)
    monkeypatch.setattr(retention, "PAUSE_RATIO", 0)


def erase_all_expired(app: Flask, oldest_kept: datetime) -> Erased:
    with app.app_context():
        erased = sweep(1, oldest_kept + timedelta(days=1), threading.Event())
        assert list(counter_audit.list_differences()) == []
    return erased


def retention_alerts(app: Flask) -> list[str]:
    with app.app_context():
        return [alert.message for alert in alerts.list_recent(10) if alert.kind == "retention"]


def give_feedback(person: UserClient, made: str, **more: object) -> None:
    body = {"prediction_id": made, "correct": True, **more}
    assert person.call("POST", "/feedback", json=body).status_code == 201


def test_expired_data_is_erased_with_its_feedback_and_counters_are_kept(
    app_on_each: Flask,
    golden: GoldenSet,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(retention, "STEP_ROWS", 2)
    for name in ("ana", "eve"):
        person = register_user(app_on_each, name)
        made = [person.predict("v2", golden.png(at)).get_json()["prediction_id"] for at in range(3)]
        give_feedback(person, made[0], comment="mine")
        assert person.call("POST", "/feedback", json={"prediction": 1, "correct": True}).status_code
    erase_all_expired(app_on_each, now - timedelta(days=1))
    assert stored_counts(app_on_each) == (6, 6, 4)
    caplog.set_level(logging.INFO, "app.services.maintenance.retention")
    erased = erase_all_expired(app_on_each, now)
    assert (erased.images, len(erased.owners), erased.feedback) == (6, 2, 4)
    assert "erased 6 images of 2 users, 4 feedback, 0 expired logins" in caplog.text
    assert stored_counts(app_on_each) == (0, 0, 0)
    assert person.call("GET", "/predictions").get_json()["predictions"] == []
    report = admin_client(app_on_each).call("GET", "/admin/report").get_json()
    assert report["versions"]["v2"]["served"] == 6


def test_only_expired_data_is_erased(app_on_each: Flask, golden: GoldenSet) -> None:
    ana = register_user(app_on_each, "ana")
    ana.predict("v2", golden.png(0))
    moment = datetime.now(UTC) + timedelta(milliseconds=2)
    while datetime.now(UTC) < moment:
        pass
    newer = ana.predict("v2", golden.png(1)).get_json()["prediction_id"]
    erase_all_expired(app_on_each, moment)
    (left,) = ana.call("GET", "/predictions").get_json()["predictions"]
    assert left["prediction_id"] == newer


def test_expired_images_leave_the_review_queue_and_invalidate_nothing(
    app: Flask, disagreements: Disagreements, now: datetime
) -> None:
    admin, client = admin_client(app), register_user(app, "client")
    shown = create_disagreements(client, disagreements, 10)
    item = request_item(admin)
    assert item is not None
    made = item["prediction_id"]
    admin.call("POST", f"/admin/review/{made}", json={"digit": shown[made]})
    erase_all_expired(app, now)
    assert request_item(admin) is None
    found = current_experiment(admin)
    assert (found["erasure_rate"], found["labels"]["disagreements"]) == (0.0, 1)
    assert (
        len(label_all(admin, create_disagreements(client, disagreements, 10))) == 9
    )  # one image was labeled before


def test_retention_counts_days_and_is_off_without_them(app: Flask, golden: GoldenSet) -> None:
    register_user(app, "ana").predict("v2", golden.png(0))
    with app.app_context():
        with write_transaction() as session:
            session.execute(text("UPDATE prediction SET id = :old"), {"old": f"{2**70:032x}"})
        for days in (None, 100_000):  # 100,000 days ago is before the first id
            Retention(days).run(threading.Event())
            assert stored_counts(app)[0] == 1
        Retention(20_000).run(threading.Event())  # the row's id is of 1970
        assert stored_counts(app)[0] == 0


def test_a_sweep_of_many_images_raises_one_alert_while_it_runs(
    app_on_each: Flask, golden: GoldenSet, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MIN_LARGE_SWEEP", 3)
    monkeypatch.setattr(retention, "STEP_ROWS", 2)
    ana = register_user(app_on_each, "ana")
    for at in range(8):
        ana.predict("v2", golden.png(at))
    seen: list[tuple[int, int]] = []

    def look(erased: Erased) -> None:
        seen.append((erased.images, len(retention_alerts(app_on_each))))

    with app_on_each.app_context():
        sweep(1, now + timedelta(days=1), threading.Event(), look)
    assert seen == [(2, 0), (4, 1), (6, 1), (8, 1)]
    (message,) = retention_alerts(app_on_each)
    assert "8 of 8 images are older than 1 days and are being erased" in message


def test_a_sweep_of_few_images_or_of_a_small_share_raises_no_alert(
    app: Flask, golden: GoldenSet, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = register_user(app, "ana")
    for at in range(4):
        ana.predict("v2", golden.png(at))
    erase_all_expired(app, now)  # all, but fewer than MIN_LARGE_SWEEP
    monkeypatch.setattr(retention, "MIN_LARGE_SWEEP", 1)
    monkeypatch.setattr(retention, "MAX_SHARE", 0.5)
    old = [ana.predict("v2", golden.png(at)).get_json()["prediction_id"] for at in range(6)]
    with app.app_context(), write_transaction() as session:
        for at, each in enumerate(old[:3]):
            ids = {"old": f"{2**70 + at:032x}", "id": each.replace("-", "")}
            session.execute(text("UPDATE prediction SET id = :old WHERE id = :id"), ids)
    assert erase_all_expired(app, now - timedelta(days=1)).images == 3
    assert retention_alerts(app) == []


def test_a_sweep_ends_when_the_process_stops(app: Flask, golden: GoldenSet, now: datetime) -> None:
    for name in ("ana", "eve"):
        register_user(app, name).predict("v2", golden.png(0))
    stop_event = threading.Event()
    stop_event.set()
    with app.app_context():
        sweep(1, now + timedelta(days=1), stop_event)
    assert stored_counts(app)[0] == 1


def test_a_step_erases_at_most_20_rows_and_others_can_write_between_steps(
    app: Flask, golden: GoldenSet, now: datetime
) -> None:
    ana = register_user(app, "ana")
    for at in range(45):
        ana.predict("v2", golden.png(at))
    left: list[int] = []

    def look(_: Erased) -> None:
        left.append(stored_counts(app)[0])
        with write_transaction() as session:  # fails if the sweep holds the write lock
            session.execute(text("UPDATE clock_record SET seen_at = seen_at"))

    with app.app_context():
        sweep(1, now + timedelta(days=1), threading.Event(), look)
    assert left == [25, 5, 0]

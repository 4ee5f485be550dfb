"""Data retention: what is erased, what is kept, and that the counters still match the rows."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from app.services.maintenance import counter_audit, retention
from app.services.maintenance.retention import Retention, erase_expired
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


def erase_all_expired(app: Flask, oldest_kept: datetime) -> None:
    with app.app_context():
        while erase_expired(oldest_kept):
            pass
        assert list(counter_audit.list_differences()) == []


def give_feedback(person: UserClient, made: str, **more: object) -> None:
    body = {"prediction_id": made, "correct": True, **more}
    assert person.call("POST", "/feedback", json=body).status_code == 201


def test_expired_data_is_erased_with_its_feedback_and_counters_are_kept(
    app_on_each: Flask, golden: GoldenSet, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_SIZE", 2)
    for name in ("ana", "eve"):
        person = register_user(app_on_each, name)
        made = [person.predict("v2", golden.png(at)).get_json()["prediction_id"] for at in range(3)]
        give_feedback(person, made[0], comment="mine")
        assert person.call("POST", "/feedback", json={"prediction": 1, "correct": True}).status_code
    erase_all_expired(app_on_each, now - timedelta(days=1))
    assert stored_counts(app_on_each) == (6, 6, 4)
    erase_all_expired(app_on_each, now)
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
            Retention(days, None).run()
            assert stored_counts(app)[0] == 1
        Retention(20_000, None).run()  # the row's id is of 1970
        assert stored_counts(app)[0] == 0

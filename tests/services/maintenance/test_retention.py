"""Erasing by age: what goes, what stays, and that counters still come to what the rows do."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from app.services.maintenance import counter_audit, retention
from app.services.maintenance.retention import Retention, erase_expired
from app.store.engine.db import read_transaction, write_transaction
from tests.conftest import Disagreements, GoldenSet, UserClient, admin_client, register_user
from tests.services.reviews.test_review_queue import ask, dispute, label_all, running


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def kept(app: Flask) -> tuple[int, int, int]:
    """How many images, owned predictions and words there are."""
    with app.app_context(), read_transaction() as session:
        query = "SELECT count(digit_image), count(user_id), (SELECT count(*) FROM feedback)"
        images, owned, words = session.execute(text(f"{query} FROM prediction")).one()
    return images, owned, words


def expire_all(app: Flask, oldest_kept: datetime) -> None:
    with app.app_context():
        while erase_expired(oldest_kept):
            pass
        assert list(counter_audit.list_differences()) == []


def speak(person: UserClient, made: str, **more: object) -> None:
    word = {"prediction_id": made, "correct": True, **more}
    assert person.call("POST", "/feedback", json=word).status_code == 201


def test_what_is_old_goes_with_its_words_and_what_was_counted_stays(
    app_on_each: Flask, golden: GoldenSet, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_SIZE", 2)
    for name in ("ana", "eve"):
        person = register_user(app_on_each, name)
        made = [person.predict("v2", golden.png(at)).get_json()["prediction_id"] for at in range(3)]
        speak(person, made[0], comment="mine")
        assert person.call("POST", "/feedback", json={"prediction": 1, "correct": True}).status_code
    expire_all(app_on_each, now - timedelta(days=1))
    assert kept(app_on_each) == (6, 6, 4)
    expire_all(app_on_each, now)
    assert kept(app_on_each) == (0, 0, 0)
    assert person.call("GET", "/predictions").get_json()["predictions"] == []
    report = admin_client(app_on_each).call("GET", "/admin/report").get_json()
    assert report["versions"]["v2"]["served"] == 6


def test_only_what_is_too_old_goes(app_on_each: Flask, golden: GoldenSet) -> None:
    ana = register_user(app_on_each, "ana")
    ana.predict("v2", golden.png(0))
    moment = datetime.now(UTC) + timedelta(milliseconds=2)
    while datetime.now(UTC) < moment:
        pass
    newer = ana.predict("v2", golden.png(1)).get_json()["prediction_id"]
    expire_all(app_on_each, moment)
    (left,) = ana.call("GET", "/predictions").get_json()["predictions"]
    assert left["prediction_id"] == newer


def test_old_pictures_leave_the_queue_and_void_nothing(
    app: Flask, disagreements: Disagreements, now: datetime
) -> None:
    admin, client = admin_client(app), register_user(app, "client")
    shown = dispute(client, disagreements, 10)
    item = ask(admin)
    assert item is not None
    made = item["prediction_id"]
    admin.call("POST", f"/admin/review/{made}", json={"digit": shown[made]})
    expire_all(app, now)
    assert ask(admin) is None
    found = running(admin)
    assert (found["erasure_rate"], found["labels"]["disagreements"]) == (0.0, 1)
    assert (
        len(label_all(admin, dispute(client, disagreements, 10))) == 9
    )  # the labelled one is known


def test_days_are_counted_and_no_days_erase_nothing(app: Flask, golden: GoldenSet) -> None:
    register_user(app, "ana").predict("v2", golden.png(0))
    with app.app_context():
        with write_transaction() as session:
            session.execute(text("UPDATE prediction SET id = :old"), {"old": f"{2**70:032x}"})
        for days in (None, 100_000):  # so many days ago there were no ids yet
            Retention(days, None).run()
            assert kept(app)[0] == 1
        Retention(20_000, None).run()  # it is of 1970
        assert kept(app)[0] == 0

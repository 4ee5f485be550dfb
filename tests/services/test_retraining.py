"""Retrain jobs: rows first, then the background thread."""

import time

import pytest
from flask import Flask

from app.domain.assignment import Version
from app.services import retraining
from app.services.retraining import NO_TRAINER
from tests.conftest import Person, admin_of, at_once


def ended(admin: Person, location: str) -> dict[str, object]:
    """The job, once it has ended."""
    for _ in range(500):
        job = admin.call("GET", location).get_json()
        if job["status"] not in {"queued", "running"}:
            return job
        time.sleep(0.01)
    raise AssertionError(job)


def test_a_retrain_is_a_row_that_says_that_nothing_trains_yet(app_on_each: Flask) -> None:
    admin = admin_of(app_on_each)
    answer = admin.call("POST", "/admin/retrain", json={"version": "v1", "deploy": "manual"})
    assert answer.status_code == 202
    job = ended(admin, answer.headers["Location"])
    assert job["id"] == answer.get_json()["job_id"]
    assert (job["status"], job["error"]) == ("failed", NO_TRAINER)
    assert (job["version"], job["deploy"]) == ("v1", "manual")
    assert job["finished_at"] >= job["created_at"]
    assert admin.call("GET", "/admin/retrain").get_json()["jobs"] == [job]


def test_a_second_retrain_is_refused_while_one_has_not_ended(app: Flask) -> None:
    admin = admin_of(app)
    with app.app_context():
        retraining.request(1, Version.V2, "auto")  # queued, and nobody was woken
    answer = admin.call("POST", "/admin/retrain")
    assert answer.status_code == 409
    assert answer.get_json()["msg"] == "Retrain 1 has not ended yet"


def test_of_retrains_asked_for_at_once_one_is_accepted(
    app_on_each: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining.Supervisor, "wake", lambda _: None)  # jobs stay open
    admin = admin_of(app_on_each)
    answers = at_once(6, lambda: admin.call("POST", "/admin/retrain"))
    assert sorted(answer.status_code for answer in answers) == [202, *[409] * 5]


def test_a_job_that_was_left_open_is_taken_up_at_the_next_wake(app: Flask) -> None:
    with app.app_context():
        left = retraining.request(1, Version.V2, "auto")
    retraining.Supervisor(app.app_context).wake()
    assert ended(admin_of(app), f"/admin/retrain/{left.id}")["error"] == NO_TRAINER


def test_an_unknown_retrain_is_404(app: Flask) -> None:
    assert admin_of(app).call("GET", "/admin/retrain/5").status_code == 404

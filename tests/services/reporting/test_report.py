"""The report: legacy fields, version metrics, capped user feedback, CSV and counters."""

import csv
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.services.maintenance import counter_audit
from app.store.engine.db import write_transaction
from tests.conftest import Disagreements, GoldenSet, UserClient, admin_client, register_user


def get_report(admin: UserClient) -> dict[str, Any]:
    answer = admin.call("GET", "/admin/report")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def give_feedback(user: UserClient, image: bytes, *, correct: bool, route: str = "ab") -> None:
    made = user.predict(route, image).get_json()["prediction_id"]
    feedback = {"prediction_id": made, "correct": correct}
    assert user.call("POST", "/feedback", json=feedback).status_code == 201


def test_an_empty_report_has_every_field(app: Flask) -> None:
    found = get_report(admin_client(app))
    assert found["msg"] == "No hay feedback disponible"
    for version in ("v1", "v2"):
        empty = found["versions"][version]
        assert (empty["served"], empty["feedback_count"], empty["calibration"]) == (0, 0, [])
        assert empty["accuracy"] == {"value": None, "low": 0.0, "high": 1.0}
        assert empty["latency_ms"] == {"p50": None, "p99": None}
    assert found["experiment"]["verdict"] == "collecting"
    assert found["user_feedback"]["difference"] == {"low": -1.0, "high": 1.0}


def test_predictions_and_feedback_are_counted_by_version(
    app_on_each: Flask, golden: GoldenSet
) -> None:
    admin = admin_client(app_on_each)
    give_feedback(admin, golden.png(0), correct=True, route="v1")
    give_feedback(admin, golden.png(1), correct=False, route="v2")
    admin.predict("v2", golden.png(2))
    assert (
        admin.call("POST", "/feedback", json={"prediction": 1, "correct": True}).status_code == 201
    )
    found = get_report(admin)
    assert (found["total_feedback"], found["correct_feedback"]) == (3, 2)
    v1, v2 = found["versions"]["v1"], found["versions"]["v2"]
    assert (v1["served"], v1["feedback_count"], v1["correct"]) == (1, 1, 1)
    assert (v2["served"], v2["feedback_count"], v2["correct"], v2["response_rate"]) == (
        2,
        1,
        0,
        0.5,
    )
    assert 0 < v2["latency_ms"]["p50"] <= v2["latency_ms"]["p99"]
    with app_on_each.app_context():
        assert list(counter_audit.list_differences()) == []


def test_replaced_and_erased_feedback_updates_the_counts(app: Flask, golden: GoldenSet) -> None:
    admin = admin_client(app)
    made = admin.predict("ab", golden.png(0)).get_json()["prediction_id"]
    feedback = {"prediction_id": made, "correct": True}
    admin.call("POST", "/feedback", json=feedback)
    admin.call("POST", "/feedback", json={**feedback, "correct": False, "replace": True})
    assert (get_report(admin)["total_feedback"], get_report(admin)["correct_feedback"]) == (1, 0)
    assert admin.call("DELETE", f"/predictions/{made}").status_code == 200
    assert get_report(admin)["msg"] == "No hay feedback disponible"
    assert sum(version["served"] for version in get_report(admin)["versions"].values()) == 1
    with app.app_context():
        assert list(counter_audit.list_differences()) == []


def test_user_feedback_counts_20_per_user_and_one_per_image(app: Flask, golden: GoldenSet) -> None:
    admin, ana = admin_client(app), register_user(app, "ana")
    for index in range(23):
        give_feedback(ana, golden.png(index), correct=True)
    for _ in range(3):
        give_feedback(admin, golden.png(30), correct=False)
    found = get_report(admin)["user_feedback"]
    assert sum(version["eligible"] for version in found["versions"].values()) == 21
    assert sum(version["eligible_correct"] for version in found["versions"].values()) == 20
    assert "does not affect the verdict" in found["note"]


def test_each_user_counts_once_if_users_are_assigned(app: Flask, golden: GoldenSet) -> None:
    admin = admin_client(app)
    admin.call("POST", "/admin/experiments/1/stop")
    admin.call("POST", "/admin/experiments", json={"unit": "user"})
    for index in range(3):
        give_feedback(admin, golden.png(index), correct=True)
    versions = get_report(admin)["user_feedback"]["versions"]
    assert sum(version["eligible"] for version in versions.values()) == 1


def test_late_feedback_counts_for_the_experiment_of_its_prediction(
    app: Flask, golden: GoldenSet
) -> None:
    admin = admin_client(app)
    made = admin.predict("ab", golden.png(0)).get_json()["prediction_id"]
    admin.call("POST", "/admin/experiments/1/stop")
    admin.call("POST", "/admin/experiments")
    feedback = {"prediction_id": made, "correct": True}
    assert admin.call("POST", "/feedback", json=feedback).status_code == 201
    versions = get_report(admin)["user_feedback"]["versions"]
    assert sum(version["eligible"] for version in versions.values()) == 0
    with app.app_context():
        assert list(counter_audit.list_differences()) == []


def test_the_confusion_matrix_represents_all_requests(
    app: Flask, disagreements: Disagreements, golden: GoldenSet
) -> None:
    admin, client = admin_client(app), register_user(app, "client")
    shown = {}
    for png, label in zip(disagreements.pngs[:3], disagreements.labels[:3], strict=True):
        shown[client.predict("ab", png).get_json()["prediction_id"]] = label
    sevens = (golden.png(int(index)) for index in (golden.labels == 7).nonzero()[0])
    while True:
        item = admin.call("GET", "/admin/review").get_json()["item"]
        if item is None:
            client.predict("ab", next(sevens))
            continue
        made = item["prediction_id"]
        review = {"digit": shown.get(made, 7)}
        assert admin.call("POST", f"/admin/review/{made}", json=review).status_code == 201
        if made not in shown:
            break
    found = get_report(admin)
    requests = found["experiment"]["requests"]
    for version in ("v1", "v2"):
        matrix = found["versions"][version]["confusion_matrix"]
        assert (len(matrix), len(matrix[0])) == (11, 10)
        assert sum(map(sum, matrix)) == pytest.approx(requests)
        assert matrix[7][7] >= requests - 3
        bins = found["versions"][version]["calibration"]
        assert sum(part["labels"] for part in bins) == 4
        assert all(part["low"] <= part["confidence"] <= part["high"] for part in bins)


def test_the_csv_report_has_the_same_values(app: Flask, golden: GoldenSet) -> None:
    admin = admin_client(app)
    give_feedback(admin, golden.png(0), correct=True)
    answer = admin.call("GET", "/admin/report?format=csv")
    assert answer.mimetype == "text/csv"
    rows = dict(csv.reader(answer.get_data(as_text=True).splitlines()))
    assert rows["figure"] == "value"
    assert rows["total_feedback"] == "1"
    assert rows["experiment.verdict"] == "collecting"
    assert rows["versions.v1.accuracy.high"] == "1.0"
    assert admin.call("GET", "/admin/report?format=xml").status_code == 400


def test_verify_counters_finds_a_wrong_counter(app: Flask, golden: GoldenSet) -> None:
    give_feedback(admin_client(app), golden.png(0), correct=True)
    with app.app_context():
        with write_transaction() as session:
            session.execute(text("UPDATE feedback_count SET correct = correct + 1"))
        assert len(list(counter_audit.list_differences())) == 1
    done = app.test_cli_runner().invoke(args=["verify-counters"])
    assert done.exit_code == 1
    assert "feedback" in done.output
    with app.app_context(), write_transaction() as session:
        session.execute(text("UPDATE feedback_count SET correct = correct - 1"))
    assert app.test_cli_runner().invoke(args=["verify-counters"]).exit_code == 0

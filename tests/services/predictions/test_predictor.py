"""Predictions and the feedback on them, over the API, on each database."""

import io
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import text

from app.services.maintenance import counter_audit
from app.services.predictions import predictor
from app.store.engine.db import read_transaction
from app.store.queries import counters
from tests.conftest import (
    GoldenSet,
    admin_client,
    bootstrapped_app,
    encode_image,
    make_config,
    register_user,
    run_concurrently,
)


def test_history_returns_a_prediction_unchanged(app_on_each: Flask, golden: GoldenSet) -> None:
    ana = register_user(app_on_each, "ana")
    made = ana.predict("v1", golden.png_of(4)).get_json()
    kept = ana.call("GET", f"/predictions/{made['prediction_id']}").get_json()
    assert {name: kept[name] for name in made} == made
    assert kept["feedback"] is None


def test_history_is_paged_newest_first(app_on_each: Flask, golden: GoldenSet) -> None:
    ana = register_user(app_on_each, "ana")
    made = [ana.predict("v1", golden.png(i)).get_json()["prediction_id"] for i in range(5)]
    first = ana.call("GET", "/predictions?limit=3").get_json()
    rest = ana.call("GET", f"/predictions?limit=3&before={first['next_before']}").get_json()
    listed = [entry["prediction_id"] for entry in first["predictions"] + rest["predictions"]]
    assert listed == made[::-1]
    assert rest["next_before"] is None


def test_an_ab_prediction_stores_both_outputs_and_the_assignment_probability(
    app_on_each: Flask, golden: GoldenSet
) -> None:
    ana = register_user(app_on_each, "ana")
    served = ana.predict("ab", golden.png_of(6)).get_json()
    with app_on_each.app_context(), read_transaction() as session:
        row = session.execute(text("SELECT * FROM prediction")).mappings().one()
    assert row["assignment_probability"] == 0.5
    assert row["shadow_model_id"] != row["model_id"]
    assert row["shadow_digit"] == row["predicted_digit"] == served["prediccion"] == 6
    assert len(row["shadow_probabilities"]) == len(row["probabilities"]) == 40
    assert len(row["digit_image"]) == 784


@pytest.mark.parametrize("route", ["v1", "v2"])
def test_a_direct_prediction_runs_only_one_version(
    app: Flask, golden: GoldenSet, route: str
) -> None:
    register_user(app, "ana").predict(route, golden.png_of(6))
    with app.app_context(), read_transaction() as session:
        row = session.execute(text("SELECT * FROM prediction")).mappings().one()
    assert row["version"] == route
    assert row["assignment_probability"] is row["shadow_digit"] is None


def test_the_shadow_prediction_is_shown_only_after_feedback(
    app_on_each: Flask, golden: GoldenSet
) -> None:
    ana = register_user(app_on_each, "ana")
    made = ana.predict("ab", golden.png_of(2)).get_json()
    path = f"/predictions/{made['prediction_id']}"
    assert "shadow_prediction" not in ana.call("GET", path).get_json()
    feedback = {"prediction_id": made["prediction_id"], "digit": 2, "comment": "fine"}
    assert ana.call("POST", "/feedback", json=feedback).status_code == 201
    kept = ana.call("GET", path).get_json()
    assert {kept["version"], kept["shadow_prediction"]["version"]} == {"v1", "v2"}
    assert kept["feedback"] == {
        "correct": True,
        "digit": 2,
        "not_a_digit": False,
        "comment": "fine",
    }


def test_the_stored_image_is_the_model_input(app: Flask, golden: GoldenSet) -> None:
    ana = register_user(app, "ana")
    made = ana.predict("v2", golden.png_of(9)).get_json()
    answer = ana.call("GET", f"/predictions/{made['prediction_id']}/image")
    assert answer.mimetype == "image/png"
    image = np.asarray(Image.open(io.BytesIO(answer.data)))
    with app.app_context(), read_transaction() as session:
        stored = session.scalar(text("SELECT digit_image FROM prediction"))
    assert image.shape == (28, 28)
    assert image.tobytes() == stored


def test_another_users_prediction_is_not_found(app_on_each: Flask, golden: GoldenSet) -> None:
    ana, eve = register_user(app_on_each, "ana"), register_user(app_on_each, "eve")
    path = f"/predictions/{ana.predict('v2', golden.png_of(1)).get_json()['prediction_id']}"
    for method, its in (("GET", path), ("GET", f"{path}/image"), ("DELETE", path)):
        assert eve.call(method, its).status_code == 404
    feedback = {"prediction_id": path.rpartition("/")[2], "correct": False}
    assert eve.call("POST", "/feedback", json=feedback).status_code == 404
    assert ana.call("GET", path).get_json()["feedback"] is None


def test_deleting_a_prediction_deletes_its_feedback(app_on_each: Flask, golden: GoldenSet) -> None:
    ana = register_user(app_on_each, "ana")
    made = ana.predict("v2", golden.png_of(1)).get_json()["prediction_id"]
    ana.call("POST", "/feedback", json={"prediction_id": made, "correct": True})
    assert ana.call("DELETE", f"/predictions/{made}").status_code == 200
    assert ana.call("DELETE", f"/predictions/{made}").status_code == 404
    with app_on_each.app_context(), read_transaction() as session:
        kept = session.execute(
            text("SELECT user_id, digit_image, predicted_digit FROM prediction")
        ).one()
        assert tuple(kept) == (None, None, 1)  # the counted row is kept, without owner and image
        assert session.scalar(text("SELECT count(*) FROM feedback")) == 0


def test_repeated_feedback_is_counted_once_and_can_be_replaced(
    app_on_each: Flask, golden: GoldenSet
) -> None:
    ana = register_user(app_on_each, "ana")
    made = ana.predict("v2", golden.png_of(1)).get_json()["prediction_id"]
    feedback = {"prediction_id": made, "correct": True}
    assert [ana.call("POST", "/feedback", json=feedback).status_code for _ in range(3)] == [201] * 3
    other = {"prediction_id": made, "digit": 7}
    assert ana.call("POST", "/feedback", json=other).status_code == 409
    assert ana.call("POST", "/feedback", json=other | {"replace": True}).status_code == 201
    with app_on_each.app_context(), read_transaction() as session:
        row = session.execute(text("SELECT * FROM feedback")).mappings().one()
    assert (row["prediction"], bool(row["correct"]), row["digit"]) == (1, False, 7)


def test_concurrent_identical_feedback_is_counted_once(
    app_on_each: Flask, golden: GoldenSet
) -> None:
    ana = register_user(app_on_each, "ana")
    for index in range(5):
        feedback = {
            "prediction_id": ana.predict("v2", golden.png(index)).get_json()["prediction_id"]
        }
        feedback |= {"not_a_digit": True}
        answers = run_concurrently(
            4, lambda feedback=feedback: ana.call("POST", "/feedback", json=feedback)
        )
        assert [answer.status_code for answer in answers] == [201] * 4
    with app_on_each.app_context(), read_transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM feedback")) == 5


def test_feedback_not_a_digit_marks_the_prediction_incorrect(app: Flask, golden: GoldenSet) -> None:
    ana = register_user(app, "ana")
    made = ana.predict("v2", golden.png_of(1)).get_json()["prediction_id"]
    feedback = {"prediction_id": made, "not_a_digit": True}
    assert ana.call("POST", "/feedback", json=feedback).status_code == 201
    kept = ana.call("GET", f"/predictions/{made}").get_json()["feedback"]
    assert (kept["correct"], kept["not_a_digit"]) == (False, True)


def test_with_the_unit_user_each_user_keeps_one_version(
    app_on_each: Flask, golden: GoldenSet
) -> None:
    admin = admin_client(app_on_each)
    assert admin.call("POST", "/admin/experiments/1/stop").status_code == 200
    assert admin.call("POST", "/admin/experiments", json={"unit": "user"}).status_code == 201
    for name in ("ana", "bea", "cho"):
        person = register_user(app_on_each, name)
        answers = [person.predict("ab", golden.png(i)).get_json() for i in range(8)]
        assert len({answer["ab_version"] for answer in answers}) == 1
    with app_on_each.app_context():
        assert list(counter_audit.list_differences()) == []
        assert sum(each.assigned_units for each in traffic_counts()) == 3


def traffic_counts() -> list[counters.TrafficCounts]:
    """Return the counters of each stage and version."""
    with read_transaction() as session:
        return counters.list_traffic(session)


def test_the_batch_limit_counts_images(tmp_path: Path, golden: GoldenSet) -> None:
    with bootstrapped_app(make_config(tmp_path, RATELIMIT_BATCH="5 per day")) as app:
        ana = register_user(app, "ana")

        def batch(count: int) -> int:
            files = [(io.BytesIO(golden.png(i)), f"{i}.png") for i in range(count)]
            return ana.call("POST", "/api/v2/predict/batch", data={"file": files}).status_code

        assert [batch(3), batch(2), batch(1)] == [200, 200, 429]


def test_a_batch_has_a_budget_for_all_its_large_images(
    app: Flask, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "BATCH_DECODE_BUDGET_S", 1e-6)
    large = encode_image(Image.fromarray(golden.digits[3]).resize((280, 280)))
    files = [large, golden.png(3), large, b"nothing", golden.png(4)]
    parts = [(io.BytesIO(file), "digit.png") for file in files]
    answer = register_user(app, "ana").call("POST", "/api/v2/predict/batch", data={"file": parts})
    assert answer.status_code == 200
    results = answer.get_json()["results"]
    assert [result.get("status", 200) for result in results] == [200, 200, 413, 413, 200]
    assert "another request" in results[2]["detail"]

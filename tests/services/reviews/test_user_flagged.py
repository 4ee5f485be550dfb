"""User-flagged images and attention checks: used for training, but no evidence."""

from uuid import UUID

import pytest
from flask import Flask

from app.domain.reviewer_reliability import is_reliable
from app.services.feedback import MAX_FLAGGED_PER_USER
from app.services.maintenance import counter_audit
from app.services.retraining import jobs
from app.services.reviews import attention_checks
from app.store.engine.db import read_transaction
from app.training.datasets import load_base_sets, preprocess_all
from tests.conftest import Disagreements, GoldenSet, UserClient, admin_client, register_user
from tests.services.reviews.test_review_queue import (
    current_experiment,
    register_reviewer,
    request_item,
    submit_label,
)


@pytest.fixture
def admin(app: Flask) -> UserClient:
    return admin_client(app)


@pytest.fixture
def client(app: Flask) -> UserClient:
    return register_user(app, "client")


def correct_prediction(client: UserClient, route: str, png: bytes, digit: int) -> str:
    """Submit an image and name its digit in the feedback; return the prediction's id."""
    made = client.predict(route, png).get_json()
    feedback = {"prediction_id": made["prediction_id"], "digit": digit}
    assert client.call("POST", "/feedback", json=feedback).status_code == 201
    return str(made["prediction_id"])


def user_flagged_count(admin: UserClient) -> int:
    return int(admin.call("GET", "/admin/review").get_json()["user_flagged"])


def training_labels(app: Flask) -> list[tuple[int, int]]:
    """Return the digits and submitters of the labels that a retrain would use."""
    with app.app_context(), read_transaction() as session:
        found = jobs._label_split(session)
    return [(label.digit, label.submitter_id) for label in found.train + found.holdout]


def test_a_corrected_prediction_is_reviewed_and_the_label_is_used_for_training(
    app: Flask, admin: UserClient, client: UserClient, golden: GoldenSet
) -> None:
    made = correct_prediction(client, "v2", golden.png_of(7), digit=1)
    assert user_flagged_count(admin) == 1
    item = request_item(admin)
    assert item is not None
    assert item["prediction_id"] == made
    assert set(item) == {"prediction_id", "image", "leased_until"}
    assert submit_label(admin, made, digit=7) == 201
    assert user_flagged_count(admin) == 0
    assert [digit for digit, _ in training_labels(app)] == [7]


def test_a_flagged_image_is_no_evidence_and_changes_no_counter(
    app: Flask, admin: UserClient, client: UserClient, golden: GoldenSet
) -> None:
    before = current_experiment(admin)
    made = correct_prediction(client, "v1", golden.png_of(7), digit=1)
    assert request_item(admin) is not None
    assert submit_label(admin, made, digit=1) == 201
    assert current_experiment(admin) == before
    with app.app_context():
        assert list(counter_audit.list_differences()) == []
    assert admin.call("DELETE", f"/admin/review/{made}").status_code == 200
    assert user_flagged_count(admin) == 1


def test_images_of_the_experiment_come_first(
    admin: UserClient, client: UserClient, golden: GoldenSet, disagreements: Disagreements
) -> None:
    flagged = correct_prediction(client, "v2", golden.png_of(7), digit=1)
    disagreement = client.predict("ab", disagreements.pngs[0]).get_json()["prediction_id"]
    item = request_item(admin)
    assert item is not None
    assert item["prediction_id"] == disagreement
    assert submit_label(admin, disagreement, digit=disagreements.labels[0]) == 201
    assert (request_item(admin) or {})["prediction_id"] == flagged


def test_an_image_in_the_experiments_queue_is_not_flagged_too(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    correct_prediction(
        client, "ab", disagreements.pngs[0], digit=(disagreements.v1_digits[0] + 5) % 10
    )
    assert admin.call("GET", "/admin/review").get_json()["pending"] == 1
    assert user_flagged_count(admin) == 0


def test_an_image_that_an_ended_experiment_left_unlabeled_can_be_flagged(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    made = client.predict("ab", disagreements.pngs[0]).get_json()
    ended = current_experiment(admin)["id"]
    assert admin.call("POST", f"/admin/experiments/{ended}/stop").status_code == 200
    assert admin.call("POST", "/admin/experiments", json={}).status_code == 201
    assert request_item(admin) is None
    digit = (made["prediccion"] + 1) % 10
    feedback = {"prediction_id": made["prediction_id"], "digit": digit}
    assert client.call("POST", "/feedback", json=feedback).status_code == 201
    assert (request_item(admin) or {})["prediction_id"] == made["prediction_id"]


def test_agreeing_feedback_and_resubmitted_images_are_not_flagged(
    admin: UserClient, client: UserClient, golden: GoldenSet
) -> None:
    correct_prediction(client, "v2", golden.png_of(7), digit=7)
    assert user_flagged_count(admin) == 0
    for _ in range(2):
        correct_prediction(client, "v2", golden.png_of(7), digit=1)
    assert user_flagged_count(admin) == 1


def test_one_user_cannot_flood_the_queue(
    admin: UserClient, client: UserClient, golden: GoldenSet
) -> None:
    for index in range(MAX_FLAGGED_PER_USER + 3):
        correct_prediction(
            client, "v2", golden.png(index), digit=(int(golden.labels[index]) + 1) % 10
        )
    assert user_flagged_count(admin) == MAX_FLAGGED_PER_USER


def test_reviewers_do_not_see_what_they_flagged_and_erased_images_are_gone(
    app: Flask, admin: UserClient, golden: GoldenSet
) -> None:
    rita = register_reviewer(app, "rita")
    made = correct_prediction(rita, "v2", golden.png_of(7), digit=1)
    assert request_item(rita) is None
    assert request_item(admin) is not None
    assert rita.call("DELETE", f"/predictions/{made}").status_code == 200
    assert user_flagged_count(admin) == 0


def test_an_attention_check_looks_like_any_image_and_is_no_evidence(
    app: Flask,
    admin: UserClient,
    client: UserClient,
    golden: GoldenSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = correct_prediction(client, "v2", golden.png_of(7), digit=1)
    monkeypatch.setattr(attention_checks, "ATTENTION_CHECK_RATE", 1)
    check = request_item(admin)
    assert check is not None
    assert check["prediction_id"] != made
    ages_ms = [UUID(each).int >> 80 for each in (check["prediction_id"], made)]
    assert 0 <= ages_ms[1] - ages_ms[0] < 60_000
    assert set(check) == {"prediction_id", "image", "leased_until"}
    assert (request_item(admin) or {})["prediction_id"] == check["prediction_id"]
    assert submit_label(admin, check["prediction_id"], digit=3) == 201
    assert submit_label(admin, check["prediction_id"], digit=3) == 404
    assert training_labels(app) == []
    undone = admin.call("DELETE", f"/admin/review/{check['prediction_id']}")
    assert undone.status_code == 200
    assert submit_label(admin, check["prediction_id"], skip=True) == 201
    [found] = admin.call("GET", "/admin/users/reviewers").get_json()["reviewers"]
    assert (found["answered"], found["correct"]) == (1, 0)


def test_an_attention_check_belongs_to_one_reviewer(
    app: Flask,
    admin: UserClient,
    client: UserClient,
    golden: GoldenSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    correct_prediction(client, "v2", golden.png_of(7), digit=1)
    rita = register_reviewer(app, "rita")
    monkeypatch.setattr(attention_checks, "ATTENTION_CHECK_RATE", 1)
    check = request_item(rita)
    assert check is not None
    assert submit_label(admin, check["prediction_id"], digit=3) == 404


def test_labels_of_an_unreliable_reviewer_are_not_used_for_training(
    app: Flask,
    admin: UserClient,
    client: UserClient,
    golden: GoldenSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rita = register_reviewer(app, "rita")
    made = correct_prediction(client, "v2", golden.png_of(7), digit=1)
    assert request_item(rita) is not None
    assert submit_label(rita, made, digit=1) == 201
    assert [digit for digit, _ in training_labels(app)] == [1]
    correct_prediction(client, "v2", golden.png_of(4), digit=1)
    monkeypatch.setattr(attention_checks, "ATTENTION_CHECK_RATE", 1)
    for _ in range(20):
        assert submit_label(rita, (request_item(rita) or {})["prediction_id"], digit=1) == 201
    [found] = admin.call("GET", "/admin/users/reviewers").get_json()["reviewers"]
    assert found["answered"] == 20
    assert not found["is_reliable"]
    assert training_labels(app) == []


def test_a_reviewer_is_reliable_until_attention_checks_show_otherwise() -> None:
    assert is_reliable(0, 0)
    assert is_reliable(1, 2)
    assert is_reliable(95, 100)
    assert not is_reliable(7, 10)
    assert not is_reliable(80, 100)


def test_attention_checks_come_from_the_validation_set() -> None:
    digits, labels = attention_checks.load_check_images()
    validation = load_base_sets().validation
    known = {
        image.tobytes(): label
        for image, label in zip(
            preprocess_all(validation.digits, "validation"), validation.labels, strict=True
        )
    }
    assert [known[digit.tobytes()] for digit in digits] == list(labels)
    assert set(labels) == set(range(10))

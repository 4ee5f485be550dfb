"""Blind review: order, leases, skips, undo, and independence of user feedback."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update

from app.services.maintenance import counter_audit
from app.store.engine.db import read_transaction, write_transaction
from app.store.tables import ReviewItem
from tests.conftest import (
    Disagreements,
    GoldenSet,
    UserClient,
    admin_client,
    register_user,
    run_concurrently,
)


@pytest.fixture
def admin(app: Flask) -> UserClient:
    """Return a client that labels what `client` submits."""
    return admin_client(app)


@pytest.fixture
def client(app: Flask) -> UserClient:
    return register_user(app, "client")


def register_reviewer(app: Flask, name: str) -> UserClient:
    """Register a user with the reviewer role."""
    reviewer, admin = register_user(app, name), admin_client(app)
    accounts = admin.call("GET", "/admin/users").get_json()["users"]
    user_id = next(account["id"] for account in accounts if account["username"] == name)
    changed = admin.call("PATCH", f"/admin/users/{user_id}", json={"role": "reviewer"})
    assert changed.status_code == 200
    return reviewer


def request_item(reviewer: UserClient) -> dict[str, Any] | None:
    """Return the next review item of a reviewer, or None."""
    answer = reviewer.call("GET", "/admin/review")
    assert answer.status_code == 200
    item: dict[str, Any] | None = answer.get_json()["item"]
    return item


def submit_label(reviewer: UserClient, prediction_id: str, **label: object) -> int:
    return reviewer.call("POST", f"/admin/review/{prediction_id}", json=label).status_code


def current_experiment(admin: UserClient) -> dict[str, Any]:
    found: dict[str, Any] = admin.call("GET", "/admin/experiments").get_json()["experiments"][0]
    return found


def create_disagreements(
    reviewer: UserClient, disagreements: Disagreements, count: int
) -> dict[str, int]:
    """Submit images on which the versions disagree; return the true digits by prediction."""
    shown = {}
    for png, label in zip(disagreements.pngs[:count], disagreements.labels[:count], strict=True):
        shown[reviewer.predict("ab", png).get_json()["prediction_id"]] = label
    assert len(shown) == count
    return shown


def label_all(reviewer: UserClient, shown: dict[str, int]) -> list[str]:
    """Label everything with its true digit, or 1 if unknown; return the ids in queue order."""
    order = []
    while (item := request_item(reviewer)) is not None:
        made = item["prediction_id"]
        assert submit_label(reviewer, made, digit=shown.get(made, 1)) == 201
        order.append(made)
    return order


def predict_until_audited(
    app: Flask, client: UserClient, golden: GoldenSet, disagreements: Disagreements
) -> None:
    """Submit images on which the versions agree until one is drawn for the audit sample.

    At a rate of 5 %, 600 images miss once in 10^13 runs.
    """
    pngs = (golden.png(index) for index in range(600))
    for png in (png for png in pngs if png not in disagreements.pngs):
        client.predict("ab", png)
        with app.app_context(), read_transaction() as connection:
            if connection.scalar(select(func.count()).select_from(ReviewItem)):
                return
    raise AssertionError("no prediction was drawn for the audit sample")


def counter_differences(app: Flask) -> list[str]:
    with app.app_context():
        return list(counter_audit.list_differences())


def test_disagreements_are_queued_and_an_audit_sample_of_the_rest(
    admin: UserClient, client: UserClient, golden: GoldenSet, disagreements: Disagreements
) -> None:
    shown = create_disagreements(client, disagreements, 6)
    for index in range(60):
        client.predict("ab", golden.png(index))
    assert (
        client.predict("v1", disagreements.pngs[7]).status_code == 200
    )  # no part of any experiment
    waiting = admin.call("GET", "/admin/review").get_json()["pending"]
    assert 6 <= waiting <= 6 + 15
    items = [request_item(admin) for _ in range(2)]
    asked = {item["prediction_id"] for item in items if item is not None}
    assert len(asked) == 1  # it is still leased to the admin
    assert asked < set(shown)


def test_an_image_is_shown_blind(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    create_disagreements(client, disagreements, 1)
    item = request_item(admin)
    assert item is not None
    assert set(item) == {"prediction_id", "image", "leased_until"}
    assert item["image"].startswith("data:image/png;base64,iVBOR")


def test_reviewers_do_not_see_their_own_images(
    app: Flask, admin: UserClient, disagreements: Disagreements
) -> None:
    (made,) = create_disagreements(admin, disagreements, 1)
    assert request_item(admin) is None
    assert submit_label(admin, made, digit=1) == 409
    assert request_item(register_reviewer(app, "rita")) is not None


def test_a_resubmitted_image_is_queued_once(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    made = [create_disagreements(client, disagreements, 1) for _ in range(8)]
    assert label_all(admin, made[0]) == list(made[0])
    found = current_experiment(admin)
    assert (found["requests"], found["disagreements"]) == (8, 8)
    assert found["labels"]["disagreements"] == 1


def test_disagreements_come_before_audits_in_random_order(
    app: Flask,
    admin: UserClient,
    client: UserClient,
    disagreements: Disagreements,
    golden: GoldenSet,
) -> None:
    predict_until_audited(app, client, golden, disagreements)
    shown = create_disagreements(client, disagreements, 12)
    order = label_all(admin, shown)
    assert set(order[:12]) == set(shown)
    assert order[:12] != list(shown)
    assert len(order) > 12
    labels = current_experiment(admin)["labels"]
    assert (labels["disagreements"], labels["audit"]) == (12, len(order) - 12)
    assert labels["total"] == len(order)


def test_labels_decide_which_version_was_correct(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    label_all(admin, create_disagreements(client, disagreements, 5))
    found, right = current_experiment(admin), disagreements.v1_correct[:5]
    assert found["labels"]["discordant"] == sum(
        one or other for one, other in zip(right, disagreements.v2_correct[:5], strict=True)
    )
    assert (found["requests"], found["disagreements"]) == (5, 5)
    report = admin.call("GET", "/admin/report").get_json()
    assert report["versions"]["v1"]["accuracy"]["value"] == pytest.approx(sum(right) / 5)
    assert counter_differences(app) == []


def test_an_image_that_was_not_leased_cannot_be_labeled(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    (made,) = create_disagreements(client, disagreements, 1)
    assert submit_label(admin, made, digit=3) == 409
    assert request_item(admin) is not None
    assert submit_label(admin, made, digit=3) == 201
    assert submit_label(admin, made, digit=3) == 404


def test_a_leased_image_is_hidden_from_others_until_the_lease_expires(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    (made,) = create_disagreements(client, disagreements, 1)
    rita = register_reviewer(app, "rita")
    assert request_item(admin) is not None
    assert request_item(rita) is None
    assert submit_label(rita, made, digit=3) == 409
    with app.app_context(), write_transaction() as session:
        over = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(ReviewItem).values(leased_until=over))
    assert request_item(rita) is not None
    assert submit_label(admin, made, digit=3) == 409
    assert submit_label(rita, made, digit=3) == 201


def test_a_lease_from_a_clock_that_was_ahead_does_not_hide_an_image(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    (made,) = create_disagreements(client, disagreements, 1)
    rita = register_reviewer(app, "rita")
    assert request_item(admin) is not None
    with app.app_context(), write_transaction() as session:
        ahead = datetime.now(UTC) + timedelta(days=400)
        session.execute(update(ReviewItem).values(leased_until=ahead))
    assert request_item(rita) is not None
    assert submit_label(rita, made, digit=3) == 201


def test_concurrent_reviewers_get_different_images(
    app_on_each: Flask, disagreements: Disagreements
) -> None:
    create_disagreements(register_user(app_on_each, "client"), disagreements, 4)
    people = [register_reviewer(app_on_each, name) for name in ("rita", "raul", "rosa", "remo")]
    answers = run_concurrently(
        4, *(lambda p=reviewer: p.call("GET", "/admin/review") for reviewer in people)
    )
    items = [answer.get_json()["item"] for answer in answers]
    assert len({item["prediction_id"] for item in items if item is not None}) == 4


def test_a_skipped_image_goes_to_another_reviewer_and_is_reported(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    (made,) = create_disagreements(client, disagreements, 1)
    rita = register_reviewer(app, "rita")
    assert request_item(admin) is not None
    assert submit_label(admin, made, skip=True) == 201
    assert request_item(admin) is None
    assert submit_label(admin, made, digit=1) == 409
    again = request_item(rita)
    assert again is not None
    assert again["prediction_id"] == made
    assert submit_label(rita, made, not_a_digit=True) == 201
    found = current_experiment(admin)
    assert (found["skip_rate"], found["labels"]["skipped"]) == (0.5, 1)
    assert found["labels"]["discordant"] == 0


def test_many_skips_invalidate_an_experiment(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    create_disagreements(client, disagreements, 4)
    while (item := request_item(admin)) is not None:
        assert submit_label(admin, item["prediction_id"], skip=True) == 201
    found = current_experiment(admin)
    assert (found["verdict"], found["reason"]) == ("invalid", "skipped labels")


def undo_label(reviewer: UserClient, made: str) -> int:
    return reviewer.call("DELETE", f"/admin/review/{made}").status_code


def test_only_the_last_label_can_be_undone(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    first, second = label_all(admin, create_disagreements(client, disagreements, 2))
    assert undo_label(register_reviewer(app, "rita"), second) == 409
    assert undo_label(admin, first) == 409
    assert undo_label(admin, second) == 200
    assert current_experiment(admin)["labels"]["disagreements"] == 1
    assert undo_label(admin, first) == 200
    item = request_item(admin)
    assert item is not None
    assert item["prediction_id"] == first
    assert counter_differences(app) == []


def test_undoing_a_skip_does_not_reopen_an_image_that_was_labeled_since(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    (made,) = create_disagreements(client, disagreements, 1)
    rita = register_reviewer(app, "rita")
    assert request_item(admin) is not None
    assert submit_label(admin, made, skip=True) == 201
    assert request_item(rita) is not None
    assert submit_label(rita, made, digit=1) == 201
    assert undo_label(admin, made) == 200
    assert request_item(admin) is None
    assert current_experiment(admin)["labels"]["disagreements"] == 1


@pytest.mark.parametrize(
    "label",
    [
        {},
        {"digit": 10},
        {"digit": True},
        {"digit": 1, "skip": True},
        {"skip": False},
        {"not_a_digit": True, "skip": True},
    ],
)
def test_a_label_must_be_exactly_one_of_the_alternatives(
    admin: UserClient, client: UserClient, disagreements: Disagreements, label: dict[str, object]
) -> None:
    (made,) = create_disagreements(client, disagreements, 1)
    assert request_item(admin) is not None
    assert submit_label(admin, made, **label) == 400
    assert current_experiment(admin)["labels"]["total"] == 0


def test_user_feedback_changes_neither_the_queue_nor_the_verdict(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    before = current_experiment(admin)
    for made in create_disagreements(client, disagreements, 4):
        feedback = {"prediction_id": made, "not_a_digit": True}
        assert client.call("POST", "/feedback", json=feedback).status_code == 201
    after = current_experiment(admin)
    assert admin.call("GET", "/admin/review").get_json()["pending"] == 4
    assert (after["e_value"], after["labels"]) == (before["e_value"], before["labels"])


def test_the_first_winner_is_recorded_and_stays(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    made = ""
    for png, v2 in zip(disagreements.pngs, disagreements.v2_digits, strict=True):
        made = client.predict("ab", png).get_json()["prediction_id"]
        assert request_item(admin) is not None
        assert (
            submit_label(admin, made, digit=v2) == 201
        )  # eight such labels in a row name a winner
        if current_experiment(admin)["winner"] is not None:
            break
    found = current_experiment(admin)
    assert (found["verdict"], found["labels"]["discordant"]) == ("v2", 8)
    assert found["e_value"] >= 20
    assert undo_label(admin, made) == 200
    later = current_experiment(admin)
    assert later["labels"]["discordant"] == 7
    assert (later["verdict"], later["winner"]) == ("v2", found["winner"])


def test_an_erased_image_leaves_the_queue_and_its_label_stays(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    shown = create_disagreements(client, disagreements, 2)
    item = request_item(admin)
    assert item is not None
    labeled_id = item["prediction_id"]
    assert submit_label(admin, labeled_id, digit=4) == 201
    for made in shown:
        assert client.call("DELETE", f"/predictions/{made}").status_code == 200
    assert request_item(admin) is None
    found = current_experiment(admin)
    assert (found["requests"], found["labels"]["disagreements"]) == (2, 1)
    assert (found["labels"]["erased"], found["erasure_rate"]) == (1, 0.5)
    assert undo_label(admin, labeled_id) == 409
    assert counter_differences(app) == []


def test_an_image_that_was_labeled_and_erased_is_not_counted_again(
    app_on_each: Flask, disagreements: Disagreements
) -> None:
    admin, client = admin_client(app_on_each), register_user(app_on_each, "client")
    for _ in range(3):
        shown = create_disagreements(client, disagreements, 2)
        label_all(admin, shown)
        for made in shown:
            assert client.call("DELETE", f"/predictions/{made}").status_code == 200
    found = current_experiment(admin)
    assert (found["labels"]["disagreements"], found["erasure_rate"]) == (2, 0.0)
    assert counter_differences(app_on_each) == []


def test_many_erased_images_invalidate_an_experiment(
    app_on_each: Flask, disagreements: Disagreements
) -> None:
    admin, client = admin_client(app_on_each), register_user(app_on_each, "client")
    create_disagreements(client, disagreements, 4)
    assert client.call("DELETE", "/me").status_code == 200
    found = current_experiment(admin)
    assert (found["verdict"], found["reason"]) == ("invalid", "erased images")
    assert counter_differences(app_on_each) == []
    with app_on_each.app_context(), read_transaction() as session:
        kept = session.execute(
            text("SELECT count(*) FROM prediction WHERE digit_image IS NOT NULL")
        )
        assert kept.scalar() == 0

"""False feedback by the hundred does not move the verdict and is capped in the report."""

from collections.abc import Iterable
from typing import Any

import pytest
from flask import Flask

from tests.conftest import GoldenSet, UserClient, admin_client, register_user


@pytest.fixture
def count(is_long: bool) -> int:
    return 1_000 if is_long else 100


@pytest.fixture
def admin(app: Flask) -> UserClient:
    return admin_client(app)


def experiment_state(admin: UserClient) -> dict[str, Any]:
    """Return the fields of the experiment that feedback must not change."""
    found = admin.call("GET", "/admin/report").get_json()["experiment"]
    names = ("verdict", "reason", "e_value", "winner", "labels", "v2_win_rate")
    return {name: found[name] for name in names}


def give_false_feedback(user: UserClient, images: Iterable[bytes]) -> None:
    """Report every prediction of v1 as wrong and every one of v2 as correct."""
    for image in images:
        made = user.predict("ab", image).get_json()
        feedback = {"prediction_id": made["prediction_id"], "correct": made["ab_version"] == "v2"}
        assert user.call("POST", "/feedback", json=feedback).status_code == 201


def eligible_count(admin: UserClient) -> int:
    """Return how many feedback entries the report counts."""
    versions = admin.call("GET", "/admin/report").get_json()["user_feedback"]["versions"]
    return sum(version["eligible"] for version in versions.values())


def test_false_feedback_of_one_user_is_capped(
    app: Flask, admin: UserClient, golden: GoldenSet, count: int
) -> None:
    before = experiment_state(admin)
    give_false_feedback(register_user(app, "eve"), (golden.png(index) for index in range(count)))
    assert experiment_state(admin) == before
    assert before["verdict"] == "collecting"
    assert eligible_count(admin) == 20


def test_false_feedback_of_many_accounts_does_not_move_the_verdict(
    app: Flask, admin: UserClient, golden: GoldenSet, count: int
) -> None:
    before = experiment_state(admin)
    for index in range(count):
        give_false_feedback(register_user(app, f"eve{index}"), [golden.png(index)])
    assert experiment_state(admin) == before
    assert eligible_count(admin) == count


def test_false_feedback_on_one_image_counts_once(
    app: Flask, admin: UserClient, golden: GoldenSet, count: int
) -> None:
    before = experiment_state(admin)
    give_false_feedback(register_user(app, "eve"), [golden.png(0)] * count)
    assert experiment_state(admin) == before
    assert eligible_count(admin) == 1

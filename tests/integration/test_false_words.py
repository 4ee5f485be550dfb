"""Users who lie, by the hundred: the verdict does not move, and the users' view hardly counts."""

from collections.abc import Iterable
from typing import Any

import pytest
from flask import Flask

from tests.conftest import GoldenSet, UserClient, admin_client, register_user


@pytest.fixture
def many(is_long: bool) -> int:
    return 1_000 if is_long else 100


@pytest.fixture
def admin(app: Flask) -> UserClient:
    return admin_client(app)


def state(admin: UserClient) -> dict[str, Any]:
    """What of an experiment words could move."""
    found = admin.call("GET", "/admin/report").get_json()["experiment"]
    names = ("verdict", "reason", "e_value", "winner", "labels", "v2_win_rate")
    return {name: found[name] for name in names}


def lie(person: UserClient, pictures: Iterable[bytes]) -> None:
    """Say of each answer of v1 that it was wrong, and of each of v2 that it was right."""
    for picture in pictures:
        made = person.predict("ab", picture).get_json()
        word = {"prediction_id": made["prediction_id"], "correct": made["ab_version"] == "v2"}
        assert person.call("POST", "/feedback", json=word).status_code == 201


def counted(admin: UserClient) -> int:
    """How many words the users' view rests on."""
    versions = admin.call("GET", "/admin/report").get_json()["user_feedback"]["versions"]
    return sum(version["eligible"] for version in versions.values())


def test_many_false_words_of_one_user_move_nothing(
    app: Flask, admin: UserClient, golden: GoldenSet, many: int
) -> None:
    before = state(admin)
    lie(register_user(app, "eve"), (golden.png(index) for index in range(many)))
    assert state(admin) == before
    assert before["verdict"] == "collecting"
    assert counted(admin) == 20


def test_many_accounts_with_a_false_word_each_move_nothing(
    app: Flask, admin: UserClient, golden: GoldenSet, many: int
) -> None:
    before = state(admin)
    for index in range(many):
        lie(register_user(app, f"eve{index}"), [golden.png(index)])
    assert state(admin) == before
    assert counted(admin) == many


def test_false_words_on_the_same_picture_many_times_move_nothing(
    app: Flask, admin: UserClient, golden: GoldenSet, many: int
) -> None:
    before = state(admin)
    lie(register_user(app, "eve"), [golden.png(0)] * many)
    assert state(admin) == before
    assert counted(admin) == 1

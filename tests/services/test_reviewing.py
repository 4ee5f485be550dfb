"""Blind review: order, leases, skips, undo, and that users' words never touch any of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from app.services import recounting
from app.store.db import writing
from app.store.tables import ReviewItem
from tests.conftest import Disputed, Golden, Person, admin_of, at_once, register


@pytest.fixture
def admin(app: Flask) -> Person:
    return admin_of(app)


def reviewer(app: Flask, name: str) -> Person:
    """Somebody who may label and nothing else."""
    person, admin = register(app, name), admin_of(app)
    accounts = admin.call("GET", "/admin/users").get_json()["users"]
    number = next(account["id"] for account in accounts if account["username"] == name)
    changed = admin.call("PATCH", f"/admin/users/{number}", json={"role": "reviewer"})
    assert changed.status_code == 200
    return person


def ask(person: Person) -> dict[str, Any] | None:
    """The picture that is next for somebody."""
    answer = person.call("GET", "/admin/review")
    assert answer.status_code == 200
    item: dict[str, Any] | None = answer.get_json()["item"]
    return item


def say(person: Person, prediction_id: str, **word: object) -> int:
    return person.call("POST", f"/admin/review/{prediction_id}", json=word).status_code


def running(admin: Person) -> dict[str, Any]:
    found: dict[str, Any] = admin.call("GET", "/admin/experiments").get_json()["experiments"][0]
    return found


def dispute(person: Person, disputed: Disputed, count: int) -> dict[str, int]:
    """Have the versions disagree on pictures; what each shows, by prediction."""
    shown = {}
    for png, label in zip(disputed.pngs[:count], disputed.labels[:count], strict=True):
        shown[person.predict("ab", png).get_json()["prediction_id"]] = label
    assert len(shown) == count
    return shown


def test_only_what_the_versions_disagree_on_waits_and_an_audit_of_the_rest(
    admin: Person, golden: Golden, disputed: Disputed
) -> None:
    shown = dispute(admin, disputed, 6)
    for index in range(60):
        admin.predict("ab", golden.png_of(index % 10))
    assert admin.predict("v1", disputed.pngs[0]).status_code == 200  # no part of any experiment
    waiting = admin.call("GET", "/admin/review").get_json()["waiting"]
    assert 6 <= waiting <= 6 + 15
    items = [ask(admin) for _ in range(2)]
    asked = {item["prediction_id"] for item in items if item is not None}
    assert len(asked) == 1  # it is still theirs
    assert asked < set(shown)


def test_a_picture_is_shown_blind(admin: Person, disputed: Disputed) -> None:
    dispute(admin, disputed, 1)
    item = ask(admin)
    assert item is not None
    assert set(item) == {"prediction_id", "image", "leased_until"}
    assert item["image"].startswith("data:image/png;base64,iVBOR")


def test_disagreements_come_before_audits_and_in_an_order_that_is_not_time(
    app: Flask, admin: Person, disputed: Disputed, golden: Golden
) -> None:
    for index in range(80):
        admin.predict("ab", golden.png_of(index % 10))
    made = list(dispute(admin, disputed, 12))
    order = []
    while (item := ask(admin)) is not None:
        order.append(item["prediction_id"])
        assert say(admin, item["prediction_id"], digit=1) == 201
    assert set(order[:12]) == set(made)
    assert order[:12] != made
    assert len(order) > 12
    labels = running(admin)["labels"]
    assert (labels["disagreements"], labels["audit"]) == (12, len(order) - 12)
    assert labels["all"] == len(order)


def test_a_label_says_which_version_was_right(
    app: Flask, admin: Person, disputed: Disputed
) -> None:
    shown = dispute(admin, disputed, 5)
    for made, digit in shown.items():
        assert say(admin, made, digit=digit) == 201
    found = running(admin)
    right = disputed.v1_right[:5]
    assert found["labels"]["informative"] == sum(
        one or other for one, other in zip(right, disputed.v2_right[:5], strict=True)
    )
    assert (found["requests"], found["disagreements"]) == (5, 5)
    report = admin.call("GET", "/admin/report").get_json()
    assert report["versions"]["v1"]["accuracy"]["value"] == pytest.approx(sum(right) / 5)
    with app.app_context():
        assert list(recounting.differences()) == []


def test_nobody_sees_a_picture_that_another_one_holds_until_the_lease_ends(
    app: Flask, admin: Person, disputed: Disputed
) -> None:
    dispute(admin, disputed, 1)
    rita, item = reviewer(app, "rita"), ask(admin)
    assert item is not None
    assert ask(rita) is None
    assert say(rita, item["prediction_id"], digit=3) == 409
    with app.app_context(), writing() as session:
        over = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(ReviewItem).values(leased_until=over))
    assert ask(rita) is not None
    assert say(admin, item["prediction_id"], digit=3) == 409
    assert say(rita, item["prediction_id"], digit=3) == 201
    assert say(rita, item["prediction_id"], digit=3) == 404


def test_reviewers_who_ask_at_once_get_different_pictures(
    app_on_each: Flask, disputed: Disputed
) -> None:
    admin = admin_of(app_on_each)
    dispute(admin, disputed, 4)
    people = [reviewer(app_on_each, name) for name in ("rita", "raul", "rosa", "remo")]
    answers = at_once(4, *(lambda p=person: p.call("GET", "/admin/review") for person in people))
    items = [answer.get_json()["item"] for answer in answers]
    assert len({item["prediction_id"] for item in items if item is not None}) == 4


def test_a_skipped_picture_goes_to_another_reviewer_and_is_reported(
    app: Flask, admin: Person, disputed: Disputed
) -> None:
    dispute(admin, disputed, 1)
    rita, item = reviewer(app, "rita"), ask(admin)
    assert item is not None
    assert say(admin, item["prediction_id"], skip=True) == 201
    assert ask(admin) is None
    again = ask(rita)
    assert again is not None
    assert again["prediction_id"] == item["prediction_id"]
    assert say(rita, item["prediction_id"], not_a_digit=True) == 201
    found = running(admin)
    assert (found["skipped"], found["labels"]["skipped"]) == (0.5, 1)
    assert (found["verdict"], found["reason"]) == ("invalid", "skipped labels")
    assert found["labels"]["informative"] == 0


def test_the_last_word_can_be_taken_back_and_no_earlier_one(
    app: Flask, admin: Person, disputed: Disputed
) -> None:
    first, second = dispute(admin, disputed, 2)
    for made in (first, second):
        assert say(admin, made, digit=0) == 201
    rita = reviewer(app, "rita")

    def undo(person: Person, made: str) -> int:
        return person.call("DELETE", f"/admin/review/{made}").status_code

    assert undo(rita, second) == 409
    assert undo(admin, first) == 409
    assert undo(admin, second) == 200
    assert running(admin)["labels"]["disagreements"] == 1
    item = ask(admin)
    assert item is not None
    assert item["prediction_id"] == second
    assert undo(admin, first) == 200
    with app.app_context():
        assert list(recounting.differences()) == []


@pytest.mark.parametrize(
    "word",
    [
        {},
        {"digit": 10},
        {"digit": True},
        {"digit": 1, "skip": True},
        {"skip": False},
        {"not_a_digit": True, "skip": True},
    ],
)
def test_a_word_that_is_none_or_several_is_refused(
    admin: Person, disputed: Disputed, word: dict[str, object]
) -> None:
    (made,) = dispute(admin, disputed, 1)
    assert say(admin, made, **word) == 400
    assert running(admin)["labels"]["all"] == 0


def test_words_of_users_never_touch_the_queue_nor_the_verdict(
    app: Flask, admin: Person, disputed: Disputed
) -> None:
    before = running(admin)
    shown = dispute(admin, disputed, 4)
    for made in shown:
        word = {"prediction_id": made, "not_a_digit": True}
        assert admin.call("POST", "/feedback", json=word).status_code == 201
    after = running(admin)
    assert admin.call("GET", "/admin/review").get_json()["waiting"] == 4
    assert (after["e_value"], after["labels"]) == (before["e_value"], before["labels"])


def test_a_winner_is_latched_when_it_is_first_named_and_stays(
    app: Flask, admin: Person, disputed: Disputed
) -> None:
    for png, v1, v2 in zip(disputed.pngs, disputed.v1_digits, disputed.v2_digits, strict=True):
        made = admin.predict("ab", png).get_json()["prediction_id"]
        # a reviewer who always says what v2 says: eight such words and no other name a winner
        assert v1 != v2
        assert say(admin, made, digit=v2) == 201
        if running(admin)["winner"] is not None:
            break
    found = running(admin)
    assert (found["verdict"], found["labels"]["informative"]) == ("v2", 8)
    assert found["e_value"] >= 20
    assert admin.call("DELETE", f"/admin/review/{made}").status_code == 200
    later = running(admin)
    assert later["labels"]["informative"] == 7
    assert (later["verdict"], later["winner"]) == ("v2", found["winner"])


def test_an_erased_picture_leaves_the_queue_and_what_was_said_of_it_stays(
    app: Flask, admin: Person, disputed: Disputed
) -> None:
    labelled, waiting = dispute(admin, disputed, 2)
    assert say(admin, labelled, digit=4) == 201
    for made in (labelled, waiting):
        assert admin.call("DELETE", f"/predictions/{made}").status_code == 200
    assert ask(admin) is None
    assert say(admin, waiting, digit=4) == 404
    found = running(admin)
    assert (found["requests"], found["labels"]["disagreements"]) == (2, 1)
    assert admin.call("DELETE", f"/admin/review/{labelled}").status_code == 409
    with app.app_context():
        assert list(recounting.differences()) == []

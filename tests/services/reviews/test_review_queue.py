"""Blind review: order, leases, skips, undo, and that users' words never touch any of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text, update

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
    """Labels what the client sends."""
    return admin_client(app)


@pytest.fixture
def client(app: Flask) -> UserClient:
    return register_user(app, "client")


def reviewer(app: Flask, name: str) -> UserClient:
    """Somebody who may label and nothing else."""
    person, admin = register_user(app, name), admin_client(app)
    accounts = admin.call("GET", "/admin/users").get_json()["users"]
    number = next(account["id"] for account in accounts if account["username"] == name)
    changed = admin.call("PATCH", f"/admin/users/{number}", json={"role": "reviewer"})
    assert changed.status_code == 200
    return person


def ask(person: UserClient) -> dict[str, Any] | None:
    """The picture that is next for somebody."""
    answer = person.call("GET", "/admin/review")
    assert answer.status_code == 200
    item: dict[str, Any] | None = answer.get_json()["item"]
    return item


def say(person: UserClient, prediction_id: str, **word: object) -> int:
    return person.call("POST", f"/admin/review/{prediction_id}", json=word).status_code


def running(admin: UserClient) -> dict[str, Any]:
    found: dict[str, Any] = admin.call("GET", "/admin/experiments").get_json()["experiments"][0]
    return found


def dispute(person: UserClient, disagreements: Disagreements, count: int) -> dict[str, int]:
    """Have the versions disagree on pictures; what each shows, by prediction."""
    shown = {}
    for png, label in zip(disagreements.pngs[:count], disagreements.labels[:count], strict=True):
        shown[person.predict("ab", png).get_json()["prediction_id"]] = label
    assert len(shown) == count
    return shown


def label_all(person: UserClient, shown: dict[str, int]) -> list[str]:
    """Label all that waits with what it shows, a 1 where that is not told; in the order asked."""
    order = []
    while (item := ask(person)) is not None:
        made = item["prediction_id"]
        assert say(person, made, digit=shown.get(made, 1)) == 201
        order.append(made)
    return order


def differences(app: Flask) -> list[str]:
    with app.app_context():
        return list(counter_audit.list_differences())


def test_only_what_the_versions_disagree_on_waits_and_an_audit_of_the_rest(
    admin: UserClient, client: UserClient, golden: GoldenSet, disagreements: Disagreements
) -> None:
    shown = dispute(client, disagreements, 6)
    for index in range(60):
        client.predict("ab", golden.png(index))
    assert (
        client.predict("v1", disagreements.pngs[7]).status_code == 200
    )  # no part of any experiment
    waiting = admin.call("GET", "/admin/review").get_json()["pending"]
    assert 6 <= waiting <= 6 + 15
    items = [ask(admin) for _ in range(2)]
    asked = {item["prediction_id"] for item in items if item is not None}
    assert len(asked) == 1  # it is still theirs
    assert asked < set(shown)


def test_a_picture_is_shown_blind(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    dispute(client, disagreements, 1)
    item = ask(admin)
    assert item is not None
    assert set(item) == {"prediction_id", "image", "leased_until"}
    assert item["image"].startswith("data:image/png;base64,iVBOR")


def test_nobody_is_shown_a_picture_of_their_own(
    app: Flask, admin: UserClient, disagreements: Disagreements
) -> None:
    (made,) = dispute(admin, disagreements, 1)
    assert ask(admin) is None
    assert say(admin, made, digit=1) == 409
    assert ask(reviewer(app, "rita")) is not None


def test_the_same_picture_again_is_asked_about_once(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    made = [dispute(client, disagreements, 1) for _ in range(8)]
    assert label_all(admin, made[0]) == list(made[0])
    found = running(admin)
    assert (found["requests"], found["disagreements"]) == (8, 8)
    assert found["labels"]["disagreements"] == 1


def test_disagreements_come_before_audits_and_in_an_order_that_is_not_time(
    admin: UserClient, client: UserClient, disagreements: Disagreements, golden: GoldenSet
) -> None:
    for index in range(80):
        client.predict("ab", golden.png(index))
    shown = dispute(client, disagreements, 12)
    order = label_all(admin, shown)
    assert set(order[:12]) == set(shown)
    assert order[:12] != list(shown)
    assert len(order) > 12
    labels = running(admin)["labels"]
    assert (labels["disagreements"], labels["audit"]) == (12, len(order) - 12)
    assert labels["total"] == len(order)


def test_a_label_says_which_version_was_right(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    label_all(admin, dispute(client, disagreements, 5))
    found, right = running(admin), disagreements.v1_right[:5]
    assert found["labels"]["discordant"] == sum(
        one or other for one, other in zip(right, disagreements.v2_right[:5], strict=True)
    )
    assert (found["requests"], found["disagreements"]) == (5, 5)
    report = admin.call("GET", "/admin/report").get_json()
    assert report["versions"]["v1"]["accuracy"]["value"] == pytest.approx(sum(right) / 5)
    assert differences(app) == []


def test_a_picture_that_was_not_asked_for_cannot_be_labelled(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    (made,) = dispute(client, disagreements, 1)
    assert say(admin, made, digit=3) == 409
    assert ask(admin) is not None
    assert say(admin, made, digit=3) == 201
    assert say(admin, made, digit=3) == 404


def test_nobody_sees_a_picture_that_another_one_holds_until_the_lease_ends(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    (made,) = dispute(client, disagreements, 1)
    rita = reviewer(app, "rita")
    assert ask(admin) is not None
    assert ask(rita) is None
    assert say(rita, made, digit=3) == 409
    with app.app_context(), write_transaction() as session:
        over = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(ReviewItem).values(leased_until=over))
    assert ask(rita) is not None
    assert say(admin, made, digit=3) == 409
    assert say(rita, made, digit=3) == 201


def test_reviewers_who_ask_at_once_get_different_pictures(
    app_on_each: Flask, disagreements: Disagreements
) -> None:
    dispute(register_user(app_on_each, "client"), disagreements, 4)
    people = [reviewer(app_on_each, name) for name in ("rita", "raul", "rosa", "remo")]
    answers = run_concurrently(
        4, *(lambda p=person: p.call("GET", "/admin/review") for person in people)
    )
    items = [answer.get_json()["item"] for answer in answers]
    assert len({item["prediction_id"] for item in items if item is not None}) == 4


def test_a_skipped_picture_goes_to_another_reviewer_and_is_reported(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    (made,) = dispute(client, disagreements, 1)
    rita = reviewer(app, "rita")
    assert ask(admin) is not None
    assert say(admin, made, skip=True) == 201
    assert ask(admin) is None
    assert say(admin, made, digit=1) == 409
    again = ask(rita)
    assert again is not None
    assert again["prediction_id"] == made
    assert say(rita, made, not_a_digit=True) == 201
    found = running(admin)
    assert (found["skip_rate"], found["labels"]["skipped"]) == (0.5, 1)
    assert found["labels"]["discordant"] == 0


def test_many_skips_void_an_experiment(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    dispute(client, disagreements, 4)
    while (item := ask(admin)) is not None:
        assert say(admin, item["prediction_id"], skip=True) == 201
    found = running(admin)
    assert (found["verdict"], found["reason"]) == ("invalid", "skipped labels")


def undo(person: UserClient, made: str) -> int:
    return person.call("DELETE", f"/admin/review/{made}").status_code


def test_the_last_word_can_be_taken_back_and_no_earlier_one(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    first, second = label_all(admin, dispute(client, disagreements, 2))
    assert undo(reviewer(app, "rita"), second) == 409
    assert undo(admin, first) == 409
    assert undo(admin, second) == 200
    assert running(admin)["labels"]["disagreements"] == 1
    assert undo(admin, first) == 200
    item = ask(admin)
    assert item is not None
    assert item["prediction_id"] == first
    assert differences(app) == []


def test_taking_a_skip_back_does_not_open_what_another_one_labelled(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    (made,) = dispute(client, disagreements, 1)
    rita = reviewer(app, "rita")
    assert ask(admin) is not None
    assert say(admin, made, skip=True) == 201
    assert ask(rita) is not None
    assert say(rita, made, digit=1) == 201
    assert undo(admin, made) == 200
    assert ask(admin) is None
    assert running(admin)["labels"]["disagreements"] == 1


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
    admin: UserClient, client: UserClient, disagreements: Disagreements, word: dict[str, object]
) -> None:
    (made,) = dispute(client, disagreements, 1)
    assert ask(admin) is not None
    assert say(admin, made, **word) == 400
    assert running(admin)["labels"]["total"] == 0


def test_words_of_users_never_touch_the_queue_nor_the_verdict(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    before = running(admin)
    for made in dispute(client, disagreements, 4):
        word = {"prediction_id": made, "not_a_digit": True}
        assert client.call("POST", "/feedback", json=word).status_code == 201
    after = running(admin)
    assert admin.call("GET", "/admin/review").get_json()["pending"] == 4
    assert (after["e_value"], after["labels"]) == (before["e_value"], before["labels"])


def test_a_winner_is_latched_when_it_is_first_named_and_stays(
    admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    made = ""
    for png, v2 in zip(disagreements.pngs, disagreements.v2_digits, strict=True):
        made = client.predict("ab", png).get_json()["prediction_id"]
        assert ask(admin) is not None
        assert say(admin, made, digit=v2) == 201  # eight such words and no other name a winner
        if running(admin)["winner"] is not None:
            break
    found = running(admin)
    assert (found["verdict"], found["labels"]["discordant"]) == ("v2", 8)
    assert found["e_value"] >= 20
    assert undo(admin, made) == 200
    later = running(admin)
    assert later["labels"]["discordant"] == 7
    assert (later["verdict"], later["winner"]) == ("v2", found["winner"])


def test_an_erased_picture_leaves_the_queue_and_what_was_said_of_it_stays(
    app: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    shown = dispute(client, disagreements, 2)
    item = ask(admin)
    assert item is not None
    labelled = item["prediction_id"]
    assert say(admin, labelled, digit=4) == 201
    for made in shown:
        assert client.call("DELETE", f"/predictions/{made}").status_code == 200
    assert ask(admin) is None
    found = running(admin)
    assert (found["requests"], found["labels"]["disagreements"]) == (2, 1)
    assert (found["labels"]["erased"], found["erasure_rate"]) == (1, 0.5)
    assert undo(admin, labelled) == 409
    assert differences(app) == []


def test_a_picture_that_was_labelled_and_erased_is_no_evidence_again(
    app_on_each: Flask, disagreements: Disagreements
) -> None:
    admin, client = admin_client(app_on_each), register_user(app_on_each, "client")
    for _ in range(3):
        shown = dispute(client, disagreements, 2)
        label_all(admin, shown)
        for made in shown:
            assert client.call("DELETE", f"/predictions/{made}").status_code == 200
    found = running(admin)
    assert (found["labels"]["disagreements"], found["erasure_rate"]) == (2, 0.0)
    assert differences(app_on_each) == []


def test_whoever_erases_many_pictures_voids_the_experiment(
    app_on_each: Flask, disagreements: Disagreements
) -> None:
    admin, client = admin_client(app_on_each), register_user(app_on_each, "client")
    dispute(client, disagreements, 4)
    assert client.call("DELETE", "/me").status_code == 200
    found = running(admin)
    assert (found["verdict"], found["reason"]) == ("invalid", "erased images")
    assert differences(app_on_each) == []
    with app_on_each.app_context(), read_transaction() as session:
        kept = session.execute(
            text("SELECT count(*) FROM prediction WHERE digit_image IS NOT NULL")
        )
        assert kept.scalar() == 0

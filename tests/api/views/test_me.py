"""One's own account: what it shows, its address, and who may be mailed about what."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import UserClient, admin_client, register_user

ADDRESS = "ana@example.org"


@pytest.fixture
def admin(app: Flask) -> UserClient:
    return admin_client(app)


@pytest.fixture
def ana(app: Flask) -> UserClient:
    return register_user(app, "ana")


def me(person: UserClient) -> dict[str, Any]:
    shown: dict[str, Any] = person.call("GET", "/me").get_json()
    return shown


def change(person: UserClient, **wanted: object) -> TestResponse:
    return person.call("PATCH", "/me", json=wanted)


def test_everybody_sees_their_own_account(ana: UserClient) -> None:
    shown = me(ana)
    assert shown.pop("created_at")
    assert shown == {
        "id": 2,
        "username": "ana",
        "email": None,
        "role": "user",
        "locked": False,
        "has_password": True,
        "notifications": [],
    }


def test_everybody_can_set_and_remove_their_address(ana: UserClient) -> None:
    assert change(ana, email=ADDRESS).get_json()["email"] == ADDRESS
    assert me(ana)["email"] == ADDRESS
    assert change(ana, email="").get_json()["email"] is None
    assert me(ana)["email"] is None


def test_an_admin_says_what_to_be_mailed_about(admin: UserClient) -> None:
    assert (
        change(admin, email=ADDRESS, notifications=["retrain", "alert", "alert"]).status_code == 200
    )
    assert me(admin)["notifications"] == ["alert", "retrain"]
    assert change(admin, notifications=["verdict"]).get_json()["notifications"] == ["verdict"]
    assert change(admin, notifications=[]).get_json()["notifications"] == []


def test_an_address_that_changes_leaves_what_is_mailed(admin: UserClient) -> None:
    change(admin, email=ADDRESS, notifications=["alert"])
    assert change(admin, email="b@example.org").get_json()["notifications"] == ["alert"]


def test_without_an_address_there_is_no_mail(admin: UserClient) -> None:
    refused = change(admin, notifications=["alert"])
    assert (refused.status_code, refused.get_json()["msg"]) == (
        400,
        "Notifications need an email address: send `email` too",
    )
    change(admin, email=ADDRESS, notifications=["alert"])
    assert change(admin, email="", notifications=["alert"]).status_code == 400
    assert me(admin)["email"] == ADDRESS
    assert change(admin, email="").get_json()["notifications"] == []
    assert change(admin, email=ADDRESS).get_json()["notifications"] == []


def test_who_is_no_admin_cannot_ask_for_mail(ana: UserClient) -> None:
    refused = change(ana, email=ADDRESS, notifications=["alert"])
    assert (refused.status_code, refused.get_json()["msg"]) == (
        403,
        "Only admins receive notifications",
    )
    assert me(ana)["email"] is None
    assert change(ana, notifications=[]).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({}, "email or notifications required"),
        ({"email": None}, "email or notifications required"),
        ({"email": 5}, "email must be text"),
        ({"email": "ana"}, "The email address is not valid"),
        ({"email": "a@example.org\r\nBcc: b@example.org"}, "The email address is not valid"),
        ({"email": "a@example.org\n"}, "The email address is not valid"),
        ({"email": "a@example.org,b@example.org"}, "The email address is not valid"),
        (
            {"notifications": "alert"},
            "notifications must be a list of alert, verdict, retrain, feedback",
        ),
        (
            {"notifications": ["spam"]},
            "notifications must be a list of alert, verdict, retrain, feedback",
        ),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    admin: UserClient, wanted: dict[str, object], reason: str
) -> None:
    refused = change(admin, **wanted)
    assert (refused.status_code, refused.get_json()["msg"]) == (400, reason)
    assert me(admin)["email"] is None


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r", "\r\nBcc: b@example.org"])
def test_no_line_break_comes_in_by_registering(app: Flask, ending: str) -> None:
    sent = {"username": "ana", "password": "a long password", "email": ADDRESS}
    for field in ("username", "email"):
        broken = sent | {field: sent[field] + ending}
        assert app.test_client().post("/register", json=broken).status_code == 400

"""Your own account: its fields, the email address, and notifications."""

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


def get_account(person: UserClient) -> dict[str, Any]:
    account: dict[str, Any] = person.call("GET", "/me").get_json()
    return account


def update_account(person: UserClient, **fields: object) -> TestResponse:
    return person.call("PATCH", "/me", json=fields)


def test_a_user_sees_their_own_account(ana: UserClient) -> None:
    account = get_account(ana)
    assert account.pop("created_at")
    assert account == {
        "id": 2,
        "username": "ana",
        "email": None,
        "role": "user",
        "locked": False,
        "has_password": True,
        "notifications": [],
    }


def test_a_user_can_set_and_remove_their_email_address(ana: UserClient) -> None:
    assert update_account(ana, email=ADDRESS).get_json()["email"] == ADDRESS
    assert get_account(ana)["email"] == ADDRESS
    assert update_account(ana, email="").get_json()["email"] is None
    assert get_account(ana)["email"] is None


def test_an_admin_chooses_notifications(admin: UserClient) -> None:
    assert (
        update_account(
            admin, email=ADDRESS, notifications=["retrain", "alert", "alert"]
        ).status_code
        == 200
    )
    assert get_account(admin)["notifications"] == ["alert", "retrain"]
    assert update_account(admin, notifications=["verdict"]).get_json()["notifications"] == [
        "verdict"
    ]
    assert update_account(admin, notifications=[]).get_json()["notifications"] == []


def test_changing_the_address_keeps_notifications(admin: UserClient) -> None:
    update_account(admin, email=ADDRESS, notifications=["alert"])
    assert update_account(admin, email="b@example.org").get_json()["notifications"] == ["alert"]


def test_notifications_require_an_address(admin: UserClient) -> None:
    rejected = update_account(admin, notifications=["alert"])
    assert (rejected.status_code, rejected.get_json()["msg"]) == (
        400,
        "Notifications need an email address: send `email` too",
    )
    update_account(admin, email=ADDRESS, notifications=["alert"])
    assert update_account(admin, email="", notifications=["alert"]).status_code == 400
    assert get_account(admin)["email"] == ADDRESS
    assert update_account(admin, email="").get_json()["notifications"] == []
    assert update_account(admin, email=ADDRESS).get_json()["notifications"] == []


def test_only_admins_can_enable_notifications(ana: UserClient) -> None:
    rejected = update_account(ana, email=ADDRESS, notifications=["alert"])
    assert (rejected.status_code, rejected.get_json()["msg"]) == (
        403,
        "Only admins receive notifications",
    )
    assert get_account(ana)["email"] is None
    assert update_account(ana, notifications=[]).status_code == 200


@pytest.mark.parametrize(
    ("fields", "reason"),
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
def test_an_invalid_update_is_rejected(
    admin: UserClient, fields: dict[str, object], reason: str
) -> None:
    rejected = update_account(admin, **fields)
    assert (rejected.status_code, rejected.get_json()["msg"]) == (400, reason)
    assert get_account(admin)["email"] is None


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r", "\r\nBcc: b@example.org"])
def test_registration_rejects_line_breaks(app: Flask, ending: str) -> None:
    sent = {"username": "ana", "password": "a long password", "email": ADDRESS}
    for field in ("username", "email"):
        broken = sent | {field: sent[field] + ending}
        assert app.test_client().post("/register", json=broken).status_code == 400

"""Logins and their tokens, over the API of an application in this process."""

from datetime import timedelta

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token
from werkzeug.test import TestResponse

from tests.conftest import Person, admin_of, register


def refreshed(person: Person, token: str) -> TestResponse:
    return person.client.post("/refresh", headers={"Authorization": f"Bearer {token}"})


def may(person: Person, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    return person.client.get("/predictions", headers=headers).status_code == 200


def test_a_refresh_token_gives_the_next_pair(app_on_each: Flask) -> None:
    ana = register(app_on_each, "ana")
    answer = refreshed(ana, ana.tokens["refresh_token"])
    assert answer.status_code == 200
    assert may(ana, answer.get_json()["access_token"])
    assert refreshed(ana, answer.get_json()["refresh_token"]).status_code == 200


def test_a_refresh_token_used_twice_ends_the_whole_family(app_on_each: Flask) -> None:
    ana = register(app_on_each, "ana")
    second = refreshed(ana, ana.tokens["refresh_token"]).get_json()
    assert refreshed(ana, ana.tokens["refresh_token"]).status_code == 401
    assert refreshed(ana, second["refresh_token"]).status_code == 401
    assert not may(ana, second["access_token"])
    assert not may(ana, ana.tokens["access_token"])


def test_another_login_outlives_a_family_that_was_ended(app: Flask) -> None:
    ana = register(app, "ana")
    elsewhere = Person(app, "ana", "password of ana")
    refreshed(ana, ana.tokens["refresh_token"])
    refreshed(ana, ana.tokens["refresh_token"])
    assert may(elsewhere, elsewhere.tokens["access_token"])


def test_logging_out_ends_access_and_refresh_at_once(app_on_each: Flask) -> None:
    ana = register(app_on_each, "ana")
    assert ana.call("POST", "/logout").status_code == 200
    gone = ana.call("GET", "/predictions")
    assert gone.status_code == 401
    assert gone.get_json()["msg"] == "Token has been revoked"
    assert refreshed(ana, ana.tokens["refresh_token"]).status_code == 401


def test_a_new_password_ends_every_login(app: Flask) -> None:
    ana = register(app, "ana")
    elsewhere = Person(app, "ana", "password of ana")
    change = {"old_password": "password of ana", "new_password": "a better one"}
    assert ana.call("POST", "/password", json=change).status_code == 200
    assert not may(elsewhere, elsewhere.tokens["access_token"])
    assert may(ana, Person(app, "ana", "a better one").tokens["access_token"])


def test_a_wrong_old_password_changes_nothing(app: Flask) -> None:
    ana = register(app, "ana")
    change = {"old_password": "a guess", "new_password": "a better one"}
    assert ana.call("POST", "/password", json=change).status_code == 401
    assert may(ana, Person(app, "ana", "password of ana").tokens["access_token"])


def test_locking_an_account_ends_its_logins_and_unlocking_lets_it_in(app: Flask) -> None:
    ana, admin = register(app, "ana"), admin_of(app)
    users = admin.call("GET", "/admin/users").get_json()["users"]
    path = f"/admin/users/{next(user['id'] for user in users if user['username'] == 'ana')}"
    credentials = {"username": "ana", "password": "password of ana"}
    assert admin.call("PATCH", path, json={"locked": True}).get_json()["locked"] is True
    assert not may(ana, ana.tokens["access_token"])
    assert ana.client.post("/login", json=credentials).status_code == 403
    assert admin.call("PATCH", path, json={"locked": False}).status_code == 200
    assert ana.client.post("/login", json=credentials).status_code == 200
    assert not may(ana, ana.tokens["access_token"])


def test_an_expired_token_is_401(app: Flask) -> None:
    ana = register(app, "ana")
    with app.app_context():
        expired = create_access_token("2", expires_delta=timedelta(seconds=-1))
    answer = ana.client.get("/predictions", headers={"Authorization": f"Bearer {expired}"})
    assert answer.status_code == 401
    assert answer.get_json()["msg"] == "Token has expired"


@pytest.mark.parametrize(
    "token",
    [
        "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiIxIiwidHlwZSI6ImFjY2VzcyJ9.",
        "x",
        "a.b.c",
        "",
    ],
)
def test_a_forged_token_is_422_and_one_in_a_query_is_none(app: Flask, token: str) -> None:
    client = app.test_client()
    answer = client.get("/predictions", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 422
    assert answer.get_json()["msg"] == "Invalid token"
    assert client.get(f"/predictions?jwt={token}").status_code == 401


def test_a_token_signed_with_another_key_is_422(app: Flask) -> None:
    ana = register(app, "ana")
    head, body, _ = ana.tokens["access_token"].split(".")
    forged = f"{head}.{body}.{'A' * 43}"
    answer = ana.client.get("/predictions", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 422


def test_erasing_oneself_takes_predictions_and_words_along(app_on_each: Flask) -> None:
    ana, admin = register(app_on_each, "ana"), admin_of(app_on_each)
    assert ana.call("POST", "/feedback", json={"prediction": 3, "correct": True}).status_code == 201
    assert ana.call("DELETE", "/me").status_code == 200
    assert not may(ana, ana.tokens["access_token"])
    assert admin.call("GET", "/admin/report").get_json() == {"msg": "No hay feedback disponible"}
    credentials = {"username": "ana", "password": "password of ana"}
    assert ana.client.post("/login", json=credentials).status_code == 401


def test_the_last_admin_stays_an_admin(app_on_each: Flask) -> None:
    admin = admin_of(app_on_each)
    own = admin.call("GET", "/admin/users").get_json()["users"][0]
    for change in ({"role": "user"}, {"locked": True}):
        assert admin.call("PATCH", f"/admin/users/{own['id']}", json=change).status_code == 409
    assert admin.call("DELETE", "/me").status_code == 409
    assert may(admin, admin.tokens["access_token"])

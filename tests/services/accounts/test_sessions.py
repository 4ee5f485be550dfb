"""Logins and their tokens, over the API of an application in this process."""

from datetime import timedelta

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token
from werkzeug.test import TestResponse

from app.domain.errors import NotAuthenticated
from app.services.accounts import sessions
from app.services.accounts import users as accounts
from app.services.accounts.passwords import PasswordHasher
from tests.conftest import UserClient, admin_client, container_of, register_user, run_concurrently


def refreshed(person: UserClient, token: str) -> TestResponse:
    return person.client.post("/refresh", headers={"Authorization": f"Bearer {token}"})


def may(person: UserClient, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    return person.client.get("/predictions", headers=headers).status_code == 200


def test_a_refresh_token_gives_the_next_pair(app_on_each: Flask) -> None:
    ana = register_user(app_on_each, "ana")
    answer = refreshed(ana, ana.tokens["refresh_token"])
    assert answer.status_code == 200
    assert may(ana, answer.get_json()["access_token"])
    assert refreshed(ana, answer.get_json()["refresh_token"]).status_code == 200


def test_a_refresh_token_used_twice_ends_the_whole_family(app_on_each: Flask) -> None:
    ana = register_user(app_on_each, "ana")
    second = refreshed(ana, ana.tokens["refresh_token"]).get_json()
    assert refreshed(ana, ana.tokens["refresh_token"]).status_code == 401
    assert refreshed(ana, second["refresh_token"]).status_code == 401
    assert not may(ana, second["access_token"])
    assert not may(ana, ana.tokens["access_token"])


def test_another_login_outlives_a_family_that_was_ended(app: Flask) -> None:
    ana = register_user(app, "ana")
    elsewhere = UserClient(app, "ana", "password of ana")
    refreshed(ana, ana.tokens["refresh_token"])
    refreshed(ana, ana.tokens["refresh_token"])
    assert may(elsewhere, elsewhere.tokens["access_token"])


def test_logging_out_ends_access_and_refresh_at_once(app_on_each: Flask) -> None:
    ana = register_user(app_on_each, "ana")
    assert ana.call("POST", "/logout").status_code == 200
    gone = ana.call("GET", "/predictions")
    assert gone.status_code == 401
    assert gone.get_json()["msg"] == "Token has been revoked"
    assert refreshed(ana, ana.tokens["refresh_token"]).status_code == 401


def test_a_new_password_ends_every_login(app: Flask) -> None:
    ana = register_user(app, "ana")
    elsewhere = UserClient(app, "ana", "password of ana")
    change = {"old_password": "password of ana", "new_password": "a better one"}
    assert ana.call("POST", "/password", json=change).status_code == 200
    assert not may(elsewhere, elsewhere.tokens["access_token"])
    assert may(ana, UserClient(app, "ana", "a better one").tokens["access_token"])


def test_a_wrong_old_password_changes_nothing(app: Flask) -> None:
    ana = register_user(app, "ana")
    change = {"old_password": "a guess", "new_password": "a better one"}
    assert ana.call("POST", "/password", json=change).status_code == 401
    assert may(ana, UserClient(app, "ana", "password of ana").tokens["access_token"])


def test_locking_an_account_ends_its_logins_and_unlocking_lets_it_in(app: Flask) -> None:
    ana, admin = register_user(app, "ana"), admin_client(app)
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
    ana = register_user(app, "ana")
    with app.app_context():
        expired = create_access_token("2", expires_delta=timedelta(seconds=-1))
    answer = ana.client.get("/predictions", headers={"Authorization": f"Bearer {expired}"})
    assert answer.status_code == 401
    assert answer.get_json()["msg"] == "Token has expired"


def test_a_name_is_found_in_whichever_form_it_is_typed(app: Flask) -> None:
    typed = "Jose\N{COMBINING ACUTE ACCENT}"
    assert register_user(app, typed)
    assert UserClient(app, "José", f"password of {typed}")


def test_a_login_that_a_new_password_overtakes_is_refused(app: Flask) -> None:
    ana = register_user(app, "ana")
    hasher = container_of(app).hasher

    class Overtaken(PasswordHasher):
        def matches(self, password: str, password_hash: str | None) -> bool:
            accounts.set_password(hasher, "ana", "a newer one")
            return hasher.matches(password, password_hash)

    with app.app_context(), pytest.raises(NotAuthenticated):
        sessions.log_in(Overtaken(4), "ana", "password of ana", timedelta(days=1))
    assert not may(ana, ana.tokens["access_token"])


def test_of_refreshes_at_once_one_is_good_and_the_login_ends(app_on_each: Flask) -> None:
    for number in range(5):
        ana = register_user(app_on_each, f"ana {number}")
        answers = run_concurrently(4, lambda ana=ana: refreshed(ana, ana.tokens["refresh_token"]))
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
        assert not may(ana, ana.tokens["access_token"])


def test_admins_who_demote_each_other_at_once_leave_one(app_on_each: Flask) -> None:
    admin, rita = admin_client(app_on_each), register_user(app_on_each, "rita")
    listed = admin.call("GET", "/admin/users").get_json()["users"]
    ids = {user["username"]: user["id"] for user in listed}
    assert (
        admin.call("PATCH", f"/admin/users/{ids['rita']}", json={"role": "admin"}).status_code
        == 200
    )
    demote = [
        lambda: admin.call("PATCH", f"/admin/users/{ids['rita']}", json={"role": "user"}),
        lambda: rita.call("PATCH", f"/admin/users/{ids['admin']}", json={"role": "user"}),
    ]
    assert sorted(answer.status_code for answer in run_concurrently(2, *demote)) in (
        [200, 403],
        [200, 409],
    )
    roles = [person.call("GET", "/admin/users").status_code for person in (admin, rita)]
    assert sorted(roles) == [200, 403]


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
    ana = register_user(app, "ana")
    head, body, _ = ana.tokens["access_token"].split(".")
    forged = f"{head}.{body}.{'A' * 43}"
    answer = ana.client.get("/predictions", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 422


def test_erasing_oneself_takes_predictions_and_words_along(app_on_each: Flask) -> None:
    ana, admin = register_user(app_on_each, "ana"), admin_client(app_on_each)
    assert ana.call("POST", "/feedback", json={"prediction": 3, "correct": True}).status_code == 201
    assert ana.call("DELETE", "/me").status_code == 200
    assert not may(ana, ana.tokens["access_token"])
    report = admin.call("GET", "/admin/report").get_json()
    assert report["msg"] == "No hay feedback disponible"
    credentials = {"username": "ana", "password": "password of ana"}
    assert ana.client.post("/login", json=credentials).status_code == 401


def test_the_last_admin_stays_an_admin(app_on_each: Flask) -> None:
    admin = admin_client(app_on_each)
    own = admin.call("GET", "/admin/users").get_json()["users"][0]
    for change in ({"role": "user"}, {"locked": True}):
        assert admin.call("PATCH", f"/admin/users/{own['id']}", json=change).status_code == 409
    assert admin.call("DELETE", "/me").status_code == 409
    assert may(admin, admin.tokens["access_token"])

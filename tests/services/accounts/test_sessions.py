"""Logins and their tokens, over the API of an application in the test's process."""

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.domain.errors import NotAuthenticated
from app.services.accounts import sessions
from app.services.accounts import users as accounts
from app.services.accounts.passwords import PasswordHasher
from app.services.maintenance import counter_audit
from app.store.engine.db import read_transaction
from tests.conftest import (
    GoldenSet,
    UserClient,
    admin_client,
    container_of,
    register_user,
    run_concurrently,
)


def refresh_with(person: UserClient, token: str) -> TestResponse:
    return person.client.post("/refresh", headers={"Authorization": f"Bearer {token}"})


def is_accepted(person: UserClient, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    return person.client.get("/predictions", headers=headers).status_code == 200


def test_a_refresh_token_gives_the_next_pair(app_on_each: Flask) -> None:
    ana = register_user(app_on_each, "ana")
    answer = refresh_with(ana, ana.tokens["refresh_token"])
    assert answer.status_code == 200
    assert is_accepted(ana, answer.get_json()["access_token"])
    assert refresh_with(ana, answer.get_json()["refresh_token"]).status_code == 200


def test_reusing_a_refresh_token_revokes_the_whole_family(app_on_each: Flask) -> None:
    ana = register_user(app_on_each, "ana")
    second = refresh_with(ana, ana.tokens["refresh_token"]).get_json()
    assert refresh_with(ana, ana.tokens["refresh_token"]).status_code == 401
    assert refresh_with(ana, second["refresh_token"]).status_code == 401
    assert not is_accepted(ana, second["access_token"])
    assert not is_accepted(ana, ana.tokens["access_token"])


def test_revoking_a_family_keeps_other_logins(app: Flask) -> None:
    ana = register_user(app, "ana")
    elsewhere = UserClient(app, "ana", "password of ana")
    refresh_with(ana, ana.tokens["refresh_token"])
    refresh_with(ana, ana.tokens["refresh_token"])
    assert is_accepted(elsewhere, elsewhere.tokens["access_token"])


def test_logout_revokes_access_and_refresh_tokens_at_once(app_on_each: Flask) -> None:
    ana = register_user(app_on_each, "ana")
    assert ana.call("POST", "/logout").status_code == 200
    gone = ana.call("GET", "/predictions")
    assert gone.status_code == 401
    assert gone.get_json()["msg"] == "Token has been revoked"
    assert refresh_with(ana, ana.tokens["refresh_token"]).status_code == 401


def test_a_new_password_ends_every_login(app: Flask) -> None:
    ana = register_user(app, "ana")
    elsewhere = UserClient(app, "ana", "password of ana")
    change = {"old_password": "password of ana", "new_password": "a better one"}
    assert ana.call("POST", "/password", json=change).status_code == 200
    assert not is_accepted(elsewhere, elsewhere.tokens["access_token"])
    assert is_accepted(ana, UserClient(app, "ana", "a better one").tokens["access_token"])


def test_a_wrong_old_password_changes_nothing(app: Flask) -> None:
    ana = register_user(app, "ana")
    change = {"old_password": "a guess", "new_password": "a better one"}
    assert ana.call("POST", "/password", json=change).status_code == 401
    assert is_accepted(ana, UserClient(app, "ana", "password of ana").tokens["access_token"])


def test_locking_an_account_ends_its_logins_and_unlocking_lets_it_in(app: Flask) -> None:
    ana, admin = register_user(app, "ana"), admin_client(app)
    users = admin.call("GET", "/admin/users").get_json()["users"]
    path = f"/admin/users/{next(user['id'] for user in users if user['username'] == 'ana')}"
    credentials = {"username": "ana", "password": "password of ana"}
    assert admin.call("PATCH", path, json={"locked": True}).get_json()["locked"] is True
    assert not is_accepted(ana, ana.tokens["access_token"])
    assert ana.client.post("/login", json=credentials).status_code == 403
    assert admin.call("PATCH", path, json={"locked": False}).status_code == 200
    assert ana.client.post("/login", json=credentials).status_code == 200
    assert not is_accepted(ana, ana.tokens["access_token"])


def test_an_expired_token_is_401(app: Flask) -> None:
    ana = register_user(app, "ana")
    with app.app_context():
        expired = create_access_token("2", expires_delta=timedelta(seconds=-1))
    answer = ana.client.get("/predictions", headers={"Authorization": f"Bearer {expired}"})
    assert answer.status_code == 401
    assert answer.get_json()["msg"] == "Token has expired"


def test_usernames_are_unicode_normalized(app: Flask) -> None:
    typed = "Jose\N{COMBINING ACUTE ACCENT}"
    assert register_user(app, typed)
    assert UserClient(app, "José", f"password of {typed}")


def test_a_password_change_during_a_login_rejects_the_login(app: Flask) -> None:
    ana = register_user(app, "ana")
    hasher = container_of(app).hasher

    class Overtaken(PasswordHasher):
        def matches(self, password: str, password_hash: str | None) -> bool:
            accounts.set_password(hasher, "ana", "a newer one")
            return hasher.matches(password, password_hash)

    with app.app_context(), pytest.raises(NotAuthenticated):
        sessions.log_in(Overtaken(4), "ana", "password of ana", timedelta(days=1))
    assert not is_accepted(ana, ana.tokens["access_token"])


def test_of_concurrent_refreshes_one_succeeds_and_the_login_ends(app_on_each: Flask) -> None:
    for number in range(5):
        ana = register_user(app_on_each, f"ana {number}")
        answers = run_concurrently(
            4, lambda ana=ana: refresh_with(ana, ana.tokens["refresh_token"])
        )
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
        assert not is_accepted(ana, ana.tokens["access_token"])


def test_admins_who_demote_each_other_concurrently_leave_one(app_on_each: Flask) -> None:
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
def test_a_forged_token_is_422_and_one_in_a_query_is_ignored(app: Flask, token: str) -> None:
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


def test_deleting_an_account_deletes_its_predictions_and_feedback(app_on_each: Flask) -> None:
    ana, admin = register_user(app_on_each, "ana"), admin_client(app_on_each)
    assert ana.call("POST", "/feedback", json={"prediction": 3, "correct": True}).status_code == 201
    assert ana.call("DELETE", "/me").status_code == 200
    assert not is_accepted(ana, ana.tokens["access_token"])
    report = admin.call("GET", "/admin/report").get_json()
    assert report["msg"] == "No hay feedback disponible"
    credentials = {"username": "ana", "password": "password of ana"}
    assert ana.client.post("/login", json=credentials).status_code == 401


def test_an_account_with_many_predictions_is_deleted_in_steps(
    app_on_each: Flask, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "STEP_ROWS", 2)
    pauses: list[float] = []
    clock = SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic)
    monkeypatch.setattr(accounts, "time", clock)
    ana = register_user(app_on_each, "ana")
    for at in range(5):
        made = ana.predict("v2", golden.png(at)).get_json()["prediction_id"]
        feedback = {"prediction_id": made, "correct": True}
        assert ana.call("POST", "/feedback", json=feedback).status_code == 201
    assert ana.call("DELETE", "/me").status_code == 200
    assert len(pauses) == 2
    with app_on_each.app_context():
        assert list(counter_audit.list_differences()) == []
        with read_transaction() as session:
            query = "SELECT count(digit_image), (SELECT count(*) FROM feedback) FROM prediction"
            assert tuple(session.execute(text(query)).one()) == (0, 0)


def test_the_last_admin_loses_no_image_by_a_rejected_deletion(
    app: Flask, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "STEP_ROWS", 2)
    admin = admin_client(app)
    for at in range(3):
        admin.predict("v2", golden.png(at))
    assert admin.call("DELETE", "/me").status_code == 409
    assert len(admin.call("GET", "/predictions").get_json()["predictions"]) == 3


def test_the_last_admin_stays_an_admin(app_on_each: Flask) -> None:
    admin = admin_client(app_on_each)
    own = admin.call("GET", "/admin/users").get_json()["users"][0]
    for change in ({"role": "user"}, {"locked": True}):
        assert admin.call("PATCH", f"/admin/users/{own['id']}", json=change).status_code == 409
    assert admin.call("DELETE", "/me").status_code == 409
    assert is_accepted(admin, admin.tokens["access_token"])

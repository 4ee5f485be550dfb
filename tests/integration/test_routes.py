"""Every route with every role: who may call it, and that the table below is complete."""

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.domain.roles import Role
from tests.conftest import UserClient, admin_client, register_user

OPEN, LOGGED_IN, REFRESH_TOKEN = "open", "logged in", "refresh token"
REVIEWER, ADMIN = "reviewer", "admin"
SOME_ID = "01a20813-1b8c-721f-bcc9-3f9d39ea05c0"

ROUTES = {
    ("GET", "/health"): OPEN,
    ("GET", "/livez"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/metrics"): OPEN,
    ("GET", "/openapi.json"): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", "/"): OPEN,
    ("GET", "/review"): OPEN,
    ("GET", "/dashboard"): OPEN,
    ("GET", "/language/<code>"): OPEN,
    ("GET", "/static/<path:filename>"): OPEN,
    ("POST", "/register"): OPEN,
    ("POST", "/login"): OPEN,
    ("POST", "/refresh"): REFRESH_TOKEN,
    ("POST", "/logout"): LOGGED_IN,
    ("POST", "/password"): LOGGED_IN,
    ("GET", "/me"): LOGGED_IN,
    ("PATCH", "/me"): LOGGED_IN,
    ("DELETE", "/me"): LOGGED_IN,
    ("POST", "/api/v1/predict"): LOGGED_IN,
    ("POST", "/api/v2/predict"): LOGGED_IN,
    ("POST", "/api/v2/predict/batch"): LOGGED_IN,
    ("POST", "/api/ab/predict"): LOGGED_IN,
    ("POST", "/feedback"): LOGGED_IN,
    ("GET", "/predictions"): LOGGED_IN,
    ("GET", "/predictions/<uuid:prediction_id>"): LOGGED_IN,
    ("GET", "/predictions/<uuid:prediction_id>/image"): LOGGED_IN,
    ("DELETE", "/predictions/<uuid:prediction_id>"): LOGGED_IN,
    ("GET", "/admin/report"): ADMIN,
    ("GET", "/admin/experiments"): ADMIN,
    ("POST", "/admin/experiments"): ADMIN,
    ("POST", "/admin/experiments/<int(max=2147483647):experiment_id>/stop"): ADMIN,
    ("POST", "/admin/experiments/<int(max=2147483647):experiment_id>/conclude"): ADMIN,
    ("GET", "/admin/review"): REVIEWER,
    ("POST", "/admin/review/<uuid:prediction_id>"): REVIEWER,
    ("DELETE", "/admin/review/<uuid:prediction_id>"): REVIEWER,
    ("GET", "/admin/retrain"): ADMIN,
    ("POST", "/admin/retrain"): ADMIN,
    ("GET", "/admin/retrain/<int(max=2147483647):job_id>"): ADMIN,
    ("GET", "/admin/retrain/<int(max=2147483647):job_id>/log"): ADMIN,
    ("POST", "/admin/retrain/<int(max=2147483647):job_id>/cancel"): ADMIN,
    ("GET", "/admin/models"): ADMIN,
    ("POST", "/admin/models/<int(max=2147483647):model_id>/deploy"): ADMIN,
    ("POST", "/admin/versions/<any(v1, v2):version>/rollback"): ADMIN,
    ("GET", "/admin/deployments"): ADMIN,
    ("GET", "/admin/rollouts"): ADMIN,
    ("GET", "/admin/alerts"): ADMIN,
    ("GET", "/admin/users"): ADMIN,
    ("GET", "/admin/users/reviewers"): ADMIN,
    ("PATCH", "/admin/users/<int(max=2147483647):user_id>"): ADMIN,
}
EVERY_ROUTE = pytest.mark.parametrize(("method", "rule"), list(ROUTES))


def path_of(rule: str) -> str:
    return (
        rule.replace("<uuid:prediction_id>", SOME_ID)
        .replace("<int(max=2147483647):job_id>", "999999")
        .replace("<int(max=2147483647):experiment_id>", "999999")
        .replace("<int(max=2147483647):user_id>", "999999")
        .replace("<int(max=2147483647):model_id>", "999999")
        .replace("<any(v1, v2):version>", "v1")
        .replace("<code>", "es")
        .replace("<path:filename>", "style.css")
    )


@pytest.fixture
def clients(app: Flask) -> dict[Role, UserClient]:
    """Log in a client for each role."""
    admin, reviewer, user = admin_client(app), register_user(app, "rita"), register_user(app, "ana")
    listed = admin.call("GET", "/admin/users").get_json()["users"]
    rita = next(account["id"] for account in listed if account["username"] == "rita")
    promoted = admin.call("PATCH", f"/admin/users/{rita}", json={"role": "reviewer"})
    assert promoted.status_code == 200
    return {Role.ADMIN: admin, Role.REVIEWER: reviewer, Role.USER: user}


def test_every_route_is_in_this_table(app: Flask) -> None:
    served = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert served == set(ROUTES)


@EVERY_ROUTE
def test_each_route_accepts_exactly_the_tokens_of_its_callers(
    clients: dict[Role, UserClient], method: str, rule: str
) -> None:
    allowed_role, path = ROUTES[method, rule], path_of(rule)
    admin = clients[Role.ADMIN]
    refresh = {"Authorization": f"Bearer {admin.tokens['refresh_token']}"}
    check_without_token(
        admin.app.test_client().open(path, method=method, buffered=True), allowed_role
    )
    check_refresh_token(
        admin.client.open(path, method=method, headers=refresh, buffered=True), allowed_role
    )
    for role in (Role.USER, Role.REVIEWER, Role.ADMIN):
        check_role(clients[role].call(method, path, buffered=True), allowed_role, role)


def check_without_token(answer: TestResponse, allowed_role: str) -> None:
    if allowed_role is OPEN:
        assert answer.status_code in {200, 303, 400}
    else:
        assert answer.status_code == 401
        assert answer.get_json()["msg"] == "Missing Authorization Header"


def check_refresh_token(answer: TestResponse, allowed_role: str) -> None:
    if allowed_role is REFRESH_TOKEN:
        assert answer.status_code == 200
    elif allowed_role is not OPEN:
        assert answer.status_code == 422


def check_role(answer: TestResponse, allowed_role: str, role: Role) -> None:
    allowed = {
        OPEN: True,
        LOGGED_IN: True,
        REFRESH_TOKEN: False,
        REVIEWER: role in {Role.REVIEWER, Role.ADMIN},
        ADMIN: role is Role.ADMIN,
    }[allowed_role]
    if allowed_role is REFRESH_TOKEN:
        assert answer.status_code == 422, role
    elif allowed:
        assert answer.status_code in {200, 202, 303, 400, 404, 409, 422}, role
    else:
        assert answer.status_code == 403, role


def test_an_unknown_path_is_404_and_a_wrong_method_405_in_json(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/nowhere").get_json()["status"] == 404
    wrong = client.get("/api/v1/predict")
    assert wrong.get_json()["status"] == 405
    assert "POST" in wrong.headers["Allow"]

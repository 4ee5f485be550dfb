"""The refresh token of a page: out of its scripts' reach, and of no use to another site."""

from http.cookies import Morsel, SimpleCookie

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import ADMIN_PASSWORD, admin_client

OURS = {"Origin": "http://localhost"}


@pytest.fixture
def page(app: Flask) -> FlaskClient:
    """A browser that has logged in."""
    client = app.test_client()
    log_in(client)
    return client


def log_in(client: FlaskClient, at: str = "http://localhost") -> Morsel[str]:
    """Log in as a page does; the cookie that comes of it."""
    answer = client.post(
        "/login",
        json={"username": "admin", "password": ADMIN_PASSWORD},
        headers={"X-Cifra-Refresh-Cookie": "1"},
        base_url=at,
    )
    assert answer.status_code == 200
    assert "refresh_token" not in answer.get_json()
    (cookie,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return cookie


def test_scripts_and_other_paths_and_sites_do_not_see_it(app: Flask) -> None:
    cookie = log_in(app.test_client())
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/refresh")
    assert int(cookie["max-age"]) == 30 * 24 * 3600


def test_over_https_it_is_for_https_alone(app: Flask) -> None:
    assert log_in(app.test_client(), "https://localhost")["secure"]
    assert not log_in(app.test_client())["secure"]


def test_a_page_of_ours_gets_the_next_token(page: FlaskClient) -> None:
    first = page.post("/refresh", headers=OURS)
    assert first.status_code == 200
    token = first.get_json()["access_token"]
    assert page.get("/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert page.post("/refresh", headers=OURS).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:1"}],
)
def test_a_page_of_another_site_gets_nothing_and_ends_nothing(
    page: FlaskClient, headers: dict[str, str]
) -> None:
    assert page.post("/refresh", headers=headers).status_code == 403
    assert page.post("/refresh", headers=OURS).status_code == 200


def test_answers_with_tokens_are_kept_by_nobody(page: FlaskClient) -> None:
    credentials = {"username": "admin", "password": ADMIN_PASSWORD}
    for answer in (page.post("/login", json=credentials), page.post("/refresh", headers=OURS)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_is_got_with_a_token_is_kept_by_nobody(app: Flask) -> None:
    admin = admin_client(app)
    for path in ("/me", "/predictions", "/admin/report", "/admin/review"):
        assert admin.call("GET", path).headers["Cache-Control"] == "no-store"

"""The refresh cookie: invisible to scripts, and useless to pages of other sites."""

from http.cookies import Morsel, SimpleCookie

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import ADMIN_PASSWORD, admin_client

SAME_ORIGIN = {"Origin": "http://localhost"}


@pytest.fixture
def page(app: Flask) -> FlaskClient:
    """Log a browser in."""
    client = app.test_client()
    log_in(client)
    return client


def log_in(client: FlaskClient, base_url: str = "http://localhost") -> Morsel[str]:
    """Log in as a page does; return the cookie."""
    answer = client.post(
        "/login",
        json={"username": "admin", "password": ADMIN_PASSWORD},
        headers={"X-Cifra-Refresh-Cookie": "1"},
        base_url=base_url,
    )
    assert answer.status_code == 200
    assert "refresh_token" not in answer.get_json()
    (cookie,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return cookie


def test_the_cookie_is_httponly_and_limited_to_refresh_on_the_same_site(app: Flask) -> None:
    cookie = log_in(app.test_client())
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/refresh")
    assert int(cookie["max-age"]) == 30 * 24 * 3600


def test_the_cookie_is_secure_over_https(app: Flask) -> None:
    assert log_in(app.test_client(), "https://localhost")["secure"]
    assert not log_in(app.test_client())["secure"]


def test_a_page_of_this_origin_gets_the_next_token(page: FlaskClient) -> None:
    first = page.post("/refresh", headers=SAME_ORIGIN)
    assert first.status_code == 200
    token = first.get_json()["access_token"]
    assert page.get("/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert page.post("/refresh", headers=SAME_ORIGIN).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:1"}],
)
def test_a_page_of_another_origin_is_rejected_and_revokes_nothing(
    page: FlaskClient, headers: dict[str, str]
) -> None:
    assert page.post("/refresh", headers=headers).status_code == 403
    assert page.post("/refresh", headers=SAME_ORIGIN).status_code == 200


def test_responses_with_tokens_must_not_be_cached(page: FlaskClient) -> None:
    credentials = {"username": "admin", "password": ADMIN_PASSWORD}
    for answer in (
        page.post("/login", json=credentials),
        page.post("/refresh", headers=SAME_ORIGIN),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_responses_to_requests_with_tokens_must_not_be_cached(app: Flask) -> None:
    admin = admin_client(app)
    for path in ("/me", "/predictions", "/admin/report", "/admin/review"):
        assert admin.call("GET", path).headers["Cache-Control"] == "no-store"

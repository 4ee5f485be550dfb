"""What all responses have in common: request ids, rate limit keys, proxies, origins, errors."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.api.http.error_handlers import RETRY_AFTER_S
from app.store.engine import db as database
from tests.conftest import GoldenSet, UserClient, bootstrapped_app, make_config, register_user


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Flask]:
    """Create an application that allows three reads and three other requests."""
    few = {"RATELIMIT_READ": "3 per hour", "RATELIMIT_DEFAULT": "3 per hour"}
    with bootstrapped_app(make_config(tmp_path, **few)) as app:
        yield app


def read_statuses(client: FlaskClient, count: int, **headers: str) -> list[int]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return [client.get("/predictions", headers=sent).status_code for _ in range(count)]


def bearer(user: UserClient) -> str:
    return f"Bearer {user.tokens['access_token']}"


def test_requests_with_valid_tokens_are_counted_by_user_at_any_address(limited: Flask) -> None:
    ana, bea = register_user(limited, "ana"), register_user(limited, "bea")
    assert read_statuses(ana.client, 4, Authorization=bearer(ana)) == [200] * 3 + [429]
    assert read_statuses(ana.client, 4, Authorization=bearer(bea)) == [200] * 3 + [429]


def test_requests_with_invalid_tokens_are_counted_by_address(limited: Flask) -> None:
    client = limited.test_client()
    tokens = [f"Bearer bad.{number}.token" for number in range(4)]
    statuses = [read_statuses(client, 1, Authorization=token)[0] for token in tokens]
    assert statuses == [422] * 3 + [429]


def test_a_forged_forwarded_address_is_ignored(limited: Flask) -> None:
    client = limited.test_client()
    statuses = [read_statuses(client, 1, X_Forwarded_For=f"10.0.0.{n}")[0] for n in range(4)]
    assert statuses == [401] * 3 + [429]


def test_behind_a_trusted_proxy_the_forwarded_address_counts(tmp_path: Path) -> None:
    more = {"TRUSTED_PROXIES": "1", "RATELIMIT_READ": "1 per hour"}
    with bootstrapped_app(make_config(tmp_path, **more)) as app:
        client = app.test_client()
        sent = ["1.1.1.1", "2.2.2.2", "9.9.9.9, 1.1.1.1"]
        statuses = [read_statuses(client, 1, X_Forwarded_For=address)[0] for address in sent]
    assert statuses == [401, 401, 429]


def test_16_threads_get_exactly_what_the_limit_allows(tmp_path: Path, golden: GoldenSet) -> None:
    with bootstrapped_app(make_config(tmp_path, RATELIMIT_V1="40 per day")) as app:
        ana = register_user(app, "ana")
        statuses: list[int] = []

        def post(app: Flask = app, token: str = bearer(ana)) -> None:
            for _ in range(5):
                answer = app.test_client().post(
                    "/api/v1/predict",
                    data=golden.png(0),
                    content_type="image/png",
                    headers={"Authorization": token},
                )
                statuses.append(answer.status_code)

        threads = [threading.Thread(target=post) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(statuses) == [200] * 40 + [429] * 40


def test_responses_carry_the_request_id_that_was_sent_if_it_is_safe(app: Flask) -> None:
    client = app.test_client()
    named = client.get("/health", headers={"X-Request-ID": "trace-7"})
    assert named.headers["X-Request-ID"] == "trace-7"
    forged = client.get("/nowhere", headers={"X-Request-ID": "a b<script>"})
    assert forged.headers["X-Request-ID"] == forged.get_json()["request_id"]
    assert len(forged.headers["X-Request-ID"]) == 32


def test_only_listed_origins_are_allowed(tmp_path: Path) -> None:
    origin = {"Origin": "https://shop.example"}
    with bootstrapped_app(make_config(tmp_path)) as app:
        answer = app.test_client().get("/health", headers=origin)
        assert "Access-Control-Allow-Origin" not in answer.headers
    with bootstrapped_app(make_config(tmp_path, CORS_ORIGINS="https://shop.example")) as app:
        client = app.test_client()
        answer = client.get("/health", headers=origin)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        other = client.get("/health", headers={"Origin": "https://other.example"})
        assert "Access-Control-Allow-Origin" not in other.headers


def test_allowing_all_origins_warns_at_startup(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with bootstrapped_app(make_config(tmp_path, CORS_ORIGINS="*")):
        assert "CORS_ORIGINS is *" in caplog.text


def test_preflight_requests_are_answered_and_not_counted(tmp_path: Path) -> None:
    more = {"CORS_ORIGINS": "https://shop.example", "RATELIMIT_DEFAULT": "1 per hour"}
    preflight = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    with bootstrapped_app(make_config(tmp_path, **more)) as app:
        client = app.test_client()
        for path in ("/feedback", "/api/ab/predict", "/admin/users/1", "/login"):
            for _ in range(3):
                answer = client.options(path, headers=preflight)
                assert answer.status_code == 200
                assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert client.post("/feedback").status_code == 401


def test_logins_are_counted_by_address_even_with_a_token(tmp_path: Path) -> None:
    with bootstrapped_app(make_config(tmp_path, RATELIMIT_LOGIN="4 per hour")) as app:
        ana = register_user(app, "ana")  # one registration and one login, at one address
        guess = {"username": "admin", "password": "wrong password"}
        statuses = [ana.call("POST", "/login", json=guess).status_code for _ in range(4)]
    assert statuses == [401, 401, 401, 429]


def test_closed_registration_is_403(tmp_path: Path) -> None:
    with bootstrapped_app(make_config(tmp_path, REGISTRATION="closed")) as app:
        body = {"username": "ana", "password": "long enough"}
        assert app.test_client().post("/register", json=body).status_code == 403


def test_an_unhandled_exception_is_a_500_that_reveals_nothing(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> str:
        raise ZeroDivisionError("the key is hunter2")

    app.add_url_rule("/broken", view_func=broken)
    answer = app.test_client().get("/broken")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "hunter2" in caplog.text


def test_a_locked_database_is_a_503_with_retry_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.2)
    with bootstrapped_app(make_config(tmp_path)) as app:
        ana = register_user(app, "ana")
        writer = sqlite3.connect(tmp_path / "app.db", isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        feedback = {"prediction": 3, "correct": True}
        locked = ana.call("POST", "/feedback", json=feedback)
        writer.execute("ROLLBACK")
        writer.close()
        assert locked.status_code == 503
        assert int(locked.headers["Retry-After"]) == RETRY_AFTER_S
        assert ana.call("POST", "/feedback", json=feedback).status_code == 201

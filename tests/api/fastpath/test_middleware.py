"""The fast path responds exactly as Flask does, and falls back to it for all other requests."""

import io
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flask import Flask
from PIL import Image
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from app.api.fastpath.middleware import FastPath
from app.domain.errors import Unavailable
from app.imaging.decoder_pool import DecoderPool
from app.imaging.preprocessing import Preprocessed
from app.services.accounts import sessions, token_cache
from app.services.predictions import predictor
from tests.conftest import (
    GoldenSet,
    UserClient,
    admin_client,
    bootstrapped_app,
    container_of,
    encode_image,
    make_config,
    register_user,
    run_concurrently,
)

ROUTES = ("v1", "v2", "ab")


class BothPaths:
    """Sends requests on the fast path or, with a header that pages send, through Flask."""

    def __init__(self, user: UserClient, monkeypatch: pytest.MonkeyPatch) -> None:
        self.user, self.fast_count = user, 0
        finish = FastPath._finish

        def counting_finish(*args: Any) -> object:
            response = finish(*args)
            self.fast_count += response is not None
            return response

        monkeypatch.setattr(FastPath, "_finish", counting_finish)

    def fast(self, route: str, **body: Any) -> TestResponse:
        return self.user.call("POST", f"/api/{route}/predict", **body)

    def flask(self, route: str, **body: Any) -> TestResponse:
        headers = {"Origin": "http://localhost"}
        token = self.user.tokens["access_token"]
        headers["Authorization"] = f"Bearer {token}"
        client = self.user.app.test_client()
        return client.post(f"/api/{route}/predict", headers=headers, **body)


@pytest.fixture
def limited_app(tmp_path: Any) -> Iterator[Flask]:
    with bootstrapped_app(make_config(tmp_path, RATELIMIT_DEFAULT="20 per hour;30 per day")) as app:
        yield app


@pytest.fixture
def paths(limited_app: Flask, monkeypatch: pytest.MonkeyPatch) -> BothPaths:
    ana = register_user(limited_app, "ana")
    ana.call("GET", "/me")  # so that the token is cached
    return BothPaths(ana, monkeypatch)


def raw_body(image: bytes) -> dict[str, Any]:
    return {"data": image, "content_type": "image/png"}


def multipart_body(image: bytes) -> dict[str, Any]:
    boundary = "b0undary"
    head = 'Content-Disposition: form-data; name="file"; filename="d.png"'
    body = f"--{boundary}\r\n{head}\r\n\r\n".encode() + image + f"\r\n--{boundary}--\r\n".encode()
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


@pytest.mark.parametrize("route", ROUTES)
def test_both_paths_give_the_same_response(paths: BothPaths, golden: GoldenSet, route: str) -> None:
    for sent in (raw_body(golden.png(3)), multipart_body(golden.png(3))):
        fast, slow = paths.fast(route, **sent), paths.flask(route, **sent)
        assert fast.status_code == slow.status_code == 200
        fast_json, slow_json = fast.get_json(), slow.get_json()
        assert list(fast_json) == [*slow_json] or route == "ab"
        assert fast_json["prediccion"] == slow_json["prediccion"]
        if fast_json["version"] == slow_json["version"]:
            assert {**fast_json, "prediction_id": 0} == {**slow_json, "prediction_id": 0}
        header_names = {name.lower() for name, _ in fast.headers}
        assert header_names == {name.lower() for name, _ in slow.headers}
    assert paths.fast_count == 2


@pytest.mark.parametrize("route", ROUTES)
def test_both_paths_count_in_the_same_windows(
    paths: BothPaths, golden: GoldenSet, route: str
) -> None:
    sent, remaining = raw_body(golden.png(3)), []
    for number in range(6):
        answer = (paths.fast if number % 2 else paths.flask)(route, **sent)
        remaining.append(int(answer.headers["X-RateLimit-Remaining"]))
    assert remaining == list(range(remaining[0], remaining[0] - 6, -1))
    assert paths.fast_count == 3


def test_an_exceeded_limit_is_a_429_on_both_paths(paths: BothPaths, golden: GoldenSet) -> None:
    statuses = [paths.fast("ab", **raw_body(golden.png(3))).status_code for _ in range(20)]
    assert statuses == [200] * 20
    fast, slow = (
        paths.fast("ab", **raw_body(golden.png(3))),
        paths.flask("ab", **raw_body(golden.png(3))),
    )
    assert fast.status_code == slow.status_code == 429
    for answer in (fast, slow):
        assert answer.headers["X-RateLimit-Remaining"] == "0"
        assert 0 < int(answer.headers["Retry-After"]) <= 3_600
        assert answer.get_json()["error"] == "Rate limit exceeded: 20 per 1 hour"


def counted_calls(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list to which each image is added that goes to a decoder process."""
    calls, preprocess = [], DecoderPool.preprocess

    def counting_preprocess(pool: DecoderPool, sent: bytes) -> Preprocessed:
        calls.append(sent)
        return preprocess(pool, sent)

    monkeypatch.setattr(DecoderPool, "preprocess", counting_preprocess)
    return calls


@pytest.mark.parametrize("route", ["v1", "v2"])
def test_a_small_image_that_is_not_plain_gets_the_same_answer_on_both_paths(
    paths: BothPaths, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    calls = counted_calls(monkeypatch)
    framed = encode_image(Image.fromarray(np.pad(255 - golden.digits[3], 4)))
    before = paths.fast_count
    fast, slow = paths.fast(route, **raw_body(framed)), paths.flask(route, **raw_body(framed))
    assert (fast.status_code, slow.status_code) == (200, 200)
    assert (calls, paths.fast_count) == ([framed] * 2, before + 1)
    assert int(fast.headers["X-RateLimit-Remaining"]) - 1 == int(
        slow.headers["X-RateLimit-Remaining"]
    )
    assert fast.get_json()["probabilidades"] == slow.get_json()["probabilidades"]


def test_a_large_image_is_not_decoded_if_the_limit_is_exceeded(
    paths: BothPaths, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counted_calls(monkeypatch)
    large = raw_body(encode_image(Image.fromarray(golden.digits[3]).resize((280, 280))))
    assert paths.fast("ab", **large).status_code == 200
    assert len(calls) == 1
    while paths.fast("ab", **raw_body(golden.png(3))).status_code == 200:
        pass
    before = len(calls)
    assert paths.fast("ab", **large).status_code == 429
    assert len(calls) == before


def test_the_duration_includes_a_slow_upload(paths: BothPaths, golden: GoldenSet) -> None:
    class SlowStream(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            time.sleep(0.2)
            return super().read(size)

    image = golden.png(3)
    sent = {"input_stream": SlowStream(image), "content_length": len(image)}
    assert paths.fast("v2", content_type="image/png", **sent).status_code == 200
    assert paths.fast_count == 1
    registry = container_of(paths.user.app).request_metrics.registry
    labels = {"method": "POST", "route": "/api/v2/predict"}
    duration_s = registry.get_sample_value("cifra_http_request_duration_seconds_sum", labels)
    assert duration_s is not None
    assert duration_s >= 0.2


@pytest.mark.parametrize("route", ROUTES)
def test_an_image_without_a_digit_is_rejected_and_counted_once(
    paths: BothPaths, golden: GoldenSet, route: str
) -> None:
    blank = raw_body(encode_image(Image.new("L", (28, 28))))
    before = int(paths.fast(route, **raw_body(golden.png(3))).headers["X-RateLimit-Remaining"])
    fast, slow = paths.fast(route, **blank), paths.flask(route, **blank)
    assert fast.status_code == slow.status_code == 422
    assert fast.get_json() | {"request_id": 0} == slow.get_json() | {"request_id": 0}
    assert int(fast.headers["X-RateLimit-Remaining"]) == before - 1
    assert int(slow.headers["X-RateLimit-Remaining"]) == before - 2


def test_a_prediction_error_is_reported_by_flask(
    paths: BothPaths, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> list[Exception]:
        return [Unavailable("out of order")]

    monkeypatch.setattr(predictor.Predictor, "predict_plain", fail)
    answer = paths.fast("v2", **raw_body(golden.png(3)))
    assert (answer.status_code, answer.headers.getlist("Retry-After")) == (503, ["5"])
    assert paths.fast_count == 0


def test_an_error_of_ab_does_not_affect_other_routes_in_the_batch(
    paths: BothPaths, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise Unavailable("No experiment has been started")

    monkeypatch.setattr(container_of(paths.user.app).split_cache, "current", fail)
    sent = raw_body(golden.png(3))
    routes = [lambda: paths.fast("ab", **sent), lambda: paths.fast("v2", **sent)]
    statuses = [answer.status_code for answer in run_concurrently(8, *routes)]
    assert (statuses.count(503), statuses.count(200)) == (4, 4)


@pytest.mark.parametrize("step", ["token", "prediction"])
def test_a_database_error_on_the_fast_path_is_reported_by_flask(
    paths: BothPaths, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("SELECT", {}, sqlite3.OperationalError("gone"))

    monkeypatch.setattr(container_of(paths.user.app).predictor, "predict_plain", fail)
    if step == "token":
        monkeypatch.setattr(sessions, "current_user", fail)
        monkeypatch.setattr(token_cache, "current_user", fail)
        monkeypatch.setattr(token_cache, "RECHECK_EVERY_S", 0.0)
    answer = paths.fast("v2", **raw_body(golden.png(3)))
    assert (answer.status_code, answer.headers.getlist("Retry-After")) == (503, ["5"])
    assert answer.get_json()["title"] == "Unavailable"


@pytest.mark.parametrize(
    "sent",
    [
        {"data": b"", "content_type": "image/png"},
        {"data": b"not an image", "content_type": "image/png"},
        {"data": {"other": "field"}},
        {"data": b"--x\r\nbroken", "content_type": "multipart/form-data; boundary=x"},
        {"data": b"a", "content_type": "multipart/form-data"},
        {"json": {}},
        {},
    ],
    ids=["empty", "not an image", "no file", "broken", "no boundary", "json", "no body"],
)
def test_bad_requests_are_rejected_alike(paths: BothPaths, sent: dict[str, Any]) -> None:
    fast, slow = paths.fast("v2", **sent), paths.flask("v2", **sent)
    assert fast.status_code == slow.status_code
    assert 400 <= fast.status_code < 500
    assert fast.get_json() | {"request_id": 0} == slow.get_json() | {"request_id": 0}
    assert paths.fast_count == 0


def test_a_revoked_token_is_rejected_at_once(
    paths: BothPaths, golden: GoldenSet, limited_app: Flask
) -> None:
    assert paths.fast("v2", **raw_body(golden.png(3))).status_code == 200
    ana = paths.user
    assert ana.call("POST", "/logout").status_code == 200
    assert paths.fast("v2", **raw_body(golden.png(3))).status_code == 401
    assert paths.fast_count == 1


def test_a_locked_account_is_rejected_at_once(
    paths: BothPaths, golden: GoldenSet, limited_app: Flask
) -> None:
    admin = admin_client(limited_app)
    assert paths.fast("v2", **raw_body(golden.png(3))).status_code == 200
    user_id = paths.user.call("GET", "/me").get_json()["id"]
    assert admin.call("PATCH", f"/admin/users/{user_id}", json={"locked": True}).status_code == 200
    assert paths.fast("v2", **raw_body(golden.png(3))).status_code == 401


def test_an_expired_token_is_rejected(
    paths: BothPaths, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paths.fast("v2", **raw_body(golden.png(3))).status_code == 200
    now_s = token_cache.time.time()
    monkeypatch.setattr(token_cache.time, "time", lambda: now_s + 3_601)
    token = paths.user.tokens["access_token"]
    assert container_of(paths.user.app).token_cache.get(token) is None


def test_a_modified_token_is_never_cached(paths: BothPaths, golden: GoldenSet) -> None:
    paths.fast("v2", **raw_body(golden.png(3)))
    cache, token = container_of(paths.user.app).token_cache, paths.user.tokens["access_token"]
    with paths.user.app.app_context():
        assert cache.get(token) is not None
        for at in (0, len(token) // 2, len(token) - 1):
            assert cache.get(token[:at] + "x" + token[at + 1 :]) is None
        assert cache.get(paths.user.tokens["refresh_token"]) is None


def test_the_token_cache_is_bounded(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_cache, "MAX_TOKENS", 3)
    users = [register_user(app, f"user {number}") for number in range(5)]
    for user in users:
        assert user.call("GET", "/me").status_code == 200
    assert len(container_of(app).token_cache._tokens) == 3
    assert all(user.call("GET", "/me").status_code == 200 for user in users)

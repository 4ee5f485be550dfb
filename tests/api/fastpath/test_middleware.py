"""The express way answers as Flask does, and leaves it what is not plain."""

import io
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from app.api.fastpath import middleware as express
from app.domain.errors import Unavailable
from app.imaging import normalization
from app.services.accounts import sessions
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


class Ways:
    """Sends each request on the express way and, with a header that pages send, past it."""

    def __init__(self, person: UserClient, monkeypatch: pytest.MonkeyPatch) -> None:
        self._person, self.expressed = person, 0
        finished = express.FastPath._finished

        def watched(*args: Any) -> object:
            answer = finished(*args)
            self.expressed += answer is not None
            return answer

        monkeypatch.setattr(express.FastPath, "_finished", watched)

    def express(self, route: str, **body: Any) -> TestResponse:
        return self._person.call("POST", f"/api/{route}/predict", **body)

    def flask(self, route: str, **body: Any) -> TestResponse:
        headers = {"Origin": "http://localhost"}
        token = self._person.tokens["access_token"]
        headers["Authorization"] = f"Bearer {token}"
        client = self._person.app.test_client()
        return client.post(f"/api/{route}/predict", headers=headers, **body)


@pytest.fixture
def limited(tmp_path: Any) -> Iterator[Flask]:
    with bootstrapped_app(make_config(tmp_path, RATELIMIT_DEFAULT="20 per hour;30 per day")) as app:
        yield app


@pytest.fixture
def ways(limited: Flask, monkeypatch: pytest.MonkeyPatch) -> Ways:
    ana = register_user(limited, "ana")
    ana.call("GET", "/me")  # so that the token is known
    return Ways(ana, monkeypatch)


def raw(picture: bytes) -> dict[str, Any]:
    return {"data": picture, "content_type": "image/png"}


def part(picture: bytes, golden: GoldenSet) -> dict[str, Any]:
    boundary = "b0undary"
    head = 'Content-Disposition: form-data; name="file"; filename="d.png"'
    body = f"--{boundary}\r\n{head}\r\n\r\n".encode() + picture + f"\r\n--{boundary}--\r\n".encode()
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


@pytest.mark.parametrize("route", ROUTES)
def test_both_ways_give_the_same_answer(ways: Ways, golden: GoldenSet, route: str) -> None:
    for sent in (raw(golden.png(3)), part(golden.png(3), golden)):
        ahead, behind = ways.express(route, **sent), ways.flask(route, **sent)
        assert ahead.status_code == behind.status_code == 200
        quick, slow = ahead.get_json(), behind.get_json()
        assert list(quick) == [*slow] or route == "ab"
        assert quick["prediccion"] == slow["prediccion"]
        if quick["version"] == slow["version"]:
            assert {**quick, "prediction_id": 0} == {**slow, "prediction_id": 0}
        told = {name.lower() for name, _ in ahead.headers}
        assert told == {name.lower() for name, _ in behind.headers}
    assert ways.expressed == 2


@pytest.mark.parametrize("route", ROUTES)
def test_both_ways_count_in_the_same_windows(ways: Ways, golden: GoldenSet, route: str) -> None:
    sent, left = raw(golden.png(3)), []
    for number in range(6):
        answer = (ways.express if number % 2 else ways.flask)(route, **sent)
        left.append(int(answer.headers["X-RateLimit-Remaining"]))
    assert left == list(range(left[0], left[0] - 6, -1))
    assert ways.expressed == 3


def test_a_full_window_is_a_429_as_ever(ways: Ways, golden: GoldenSet) -> None:
    statuses = [ways.express("ab", **raw(golden.png(3))).status_code for _ in range(20)]
    assert statuses == [200] * 20
    ahead, behind = ways.express("ab", **raw(golden.png(3))), ways.flask("ab", **raw(golden.png(3)))
    assert ahead.status_code == behind.status_code == 429
    for answer in (ahead, behind):
        assert answer.headers["X-RateLimit-Remaining"] == "0"
        assert 0 < int(answer.headers["Retry-After"]) <= 3_600
        assert answer.get_json()["error"] == "Rate limit exceeded: 20 per 1 hour"


def test_a_large_picture_is_not_read_where_the_limit_is_full(
    ways: Ways, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, digits_read = [], normalization.preprocess
    monkeypatch.setattr(
        normalization, "preprocess", lambda sent: (read.append(1), digits_read(sent))[1]
    )
    large = raw(encode_image(Image.fromarray(golden.digits[3]).resize((280, 280))))
    assert ways.express("ab", **large).status_code == 200
    assert len(read) == 1
    while ways.express("ab", **raw(golden.png(3))).status_code == 200:
        pass
    before = len(read)
    assert ways.express("ab", **large).status_code == 429
    assert len(read) == before


def test_a_slow_upload_counts_as_long_as_it_takes(ways: Ways, golden: GoldenSet) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            time.sleep(0.2)
            return super().read(size)

    picture = golden.png(3)
    sent = {"input_stream": Slow(picture), "content_length": len(picture)}
    assert ways.express("v2", content_type="image/png", **sent).status_code == 200
    assert ways.expressed == 1
    registry = container_of(ways._person.app).request_metrics.registry
    labels = {"method": "POST", "route": "/api/v2/predict"}
    took_s = registry.get_sample_value("cifra_http_request_duration_seconds_sum", labels)
    assert took_s is not None
    assert took_s >= 0.2


@pytest.mark.parametrize("route", ROUTES)
def test_a_picture_without_a_digit_is_refused_once_and_counted_once(
    ways: Ways, golden: GoldenSet, route: str
) -> None:
    blank = raw(encode_image(Image.new("L", (28, 28))))
    before = int(ways.express(route, **raw(golden.png(3))).headers["X-RateLimit-Remaining"])
    ahead, behind = ways.express(route, **blank), ways.flask(route, **blank)
    assert ahead.status_code == behind.status_code == 422
    assert ahead.get_json() | {"request_id": 0} == behind.get_json() | {"request_id": 0}
    assert int(ahead.headers["X-RateLimit-Remaining"]) == before - 1
    assert int(behind.headers["X-RateLimit-Remaining"]) == before - 2


def test_what_the_database_refuses_is_an_error_as_ever(
    ways: Ways, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> list[Exception]:
        return [Unavailable("nothing goes")]

    monkeypatch.setattr(predictor.Predictor, "predict_many", fail)
    answer = ways.express("v2", **raw(golden.png(3)))
    assert (answer.status_code, answer.headers.getlist("Retry-After")) == (503, ["5"])
    assert ways.expressed == 0


def test_what_ab_lacks_is_told_and_harms_no_other_route(
    ways: Ways, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise Unavailable("No experiment has been started")

    monkeypatch.setattr(container_of(ways._person.app).split_cache, "current", fail)
    sent = raw(golden.png(3))
    routes = [lambda: ways.express("ab", **sent), lambda: ways.express("v2", **sent)]
    statuses = [answer.status_code for answer in run_concurrently(8, *routes)]
    assert (statuses.count(503), statuses.count(200)) == (4, 4)


@pytest.mark.parametrize("step", ["token", "reading"])
def test_what_breaks_on_the_way_is_answered_as_flask_answers_it(
    ways: Ways, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(container_of(ways._person.app).predictor, "predict_many", fail)
    if step == "token":
        monkeypatch.setattr(sessions, "current_user", fail)
        monkeypatch.setattr(sessions, "RECHECK_EVERY_S", 0.0)
    answer = ways.express("v2", **raw(golden.png(3)))
    assert (answer.status_code, answer.headers.getlist("Retry-After")) == (503, ["5"])
    assert answer.get_json()["title"] == "Unavailable"


@pytest.mark.parametrize(
    "sent",
    [
        {"data": b"", "content_type": "image/png"},
        {"data": b"no picture", "content_type": "image/png"},
        {"data": {"other": "field"}},
        {"data": b"--x\r\nbroken", "content_type": "multipart/form-data; boundary=x"},
        {"data": b"a", "content_type": "multipart/form-data"},
        {"json": {}},
        {},
    ],
    ids=["empty", "no picture", "no file", "broken", "no boundary", "json", "nothing"],
)
def test_what_is_wrong_is_refused_alike(ways: Ways, sent: dict[str, Any]) -> None:
    ahead, behind = ways.express("v2", **sent), ways.flask("v2", **sent)
    assert ahead.status_code == behind.status_code
    assert 400 <= ahead.status_code < 500
    assert ahead.get_json() | {"request_id": 0} == behind.get_json() | {"request_id": 0}
    assert ways.expressed == 0


def test_a_token_that_ended_is_refused_at_once(
    ways: Ways, golden: GoldenSet, limited: Flask
) -> None:
    assert ways.express("v2", **raw(golden.png(3))).status_code == 200
    ana = ways._person
    assert ana.call("POST", "/logout").status_code == 200
    assert ways.express("v2", **raw(golden.png(3))).status_code == 401
    assert ways.expressed == 1


def test_a_locked_account_is_refused_at_once(ways: Ways, golden: GoldenSet, limited: Flask) -> None:
    admin = admin_client(limited)
    assert ways.express("v2", **raw(golden.png(3))).status_code == 200
    user_id = ways._person.call("GET", "/me").get_json()["id"]
    assert admin.call("PATCH", f"/admin/users/{user_id}", json={"locked": True}).status_code == 200
    assert ways.express("v2", **raw(golden.png(3))).status_code == 401


def test_an_expired_token_is_refused(
    ways: Ways, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ways.express("v2", **raw(golden.png(3))).status_code == 200
    now_s = sessions.time.time()
    monkeypatch.setattr(sessions.time, "time", lambda: now_s + 3_601)
    token = ways._person.tokens["access_token"]
    assert container_of(ways._person.app).token_cache.find(token) is None


def test_a_changed_token_is_never_known(ways: Ways, golden: GoldenSet) -> None:
    ways.express("v2", **raw(golden.png(3)))
    known, token = container_of(ways._person.app).token_cache, ways._person.tokens["access_token"]
    with ways._person.app.app_context():
        assert known.find(token) is not None
        for at in (0, len(token) // 2, len(token) - 1):
            assert known.find(token[:at] + "x" + token[at + 1 :]) is None
        assert known.find(ways._person.tokens["refresh_token"]) is None


def test_no_more_tokens_are_remembered_than_fit(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_TOKENS", 3)
    people = [register_user(app, f"person {number}") for number in range(5)]
    for person in people:
        assert person.call("GET", "/me").status_code == 200
    assert len(container_of(app).token_cache._known) == 3
    assert all(person.call("GET", "/me").status_code == 200 for person in people)

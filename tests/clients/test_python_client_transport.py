"""What the Python client repeats and what not, before a server that says what it is told to.

Cifra cannot be made to fail on order; these are answers as it, or a proxy before it, gives them.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cifra_client import (
    ApiError,
    Cifra,
    NotFound,
    RateLimited,
    ServerError,
    UnexpectedResponse,
    Unreachable,
)

TOKENS = {"access_token": "one", "refresh_token": "two"}
BREAKS_OFF = 0


class Answers:
    """What is answered to one path, in turn (the last one again and again), and what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.turns: list[tuple[int, str, dict[str, str]]] = []

    def say(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.turns.append((status, text, headers or {}))

    def next(self, method: str) -> tuple[int, str, dict[str, str]]:
        self.asked.append(method)
        return self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def client(answers: Answers) -> Iterator[Cifra]:
    """Logged in at a server that gives these answers to everything but a login."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_login = self.path == "/login"
            status, body, headers = (
                (200, json.dumps(TOKENS), {}) if is_login else answers.next(self.command)
            )
            if status == BREAKS_OFF:
                return
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = do_DELETE = answer  # noqa: N815  the names are theirs

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  theirs
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Cifra(f"http://127.0.0.1:{server.server_port}", timeout_s=5) as made:
            made.login("anybody", "with any password")
            yield made
        server.shutdown()


def test_a_get_that_is_to_come_back_later_comes_back(client: Cifra, answers: Answers) -> None:
    answers.say(503, {"title": "Unavailable", "detail": "not now"}, {"Retry-After": "1"})
    answers.say(200, {"alerts": []})
    assert client.alerts() == []
    assert answers.asked == ["GET", "GET"]


def test_a_get_is_not_repeated_without_end(client: Cifra, answers: Answers) -> None:
    answers.say(503, {"title": "Unavailable", "detail": "not now"}, {"Retry-After": "1"})
    with pytest.raises(ServerError, match="not now") as failed:
        client.alerts()
    assert failed.value.retry_after_s == 1
    assert answers.asked == ["GET"] * 3


def test_a_get_that_broke_off_is_repeated(client: Cifra, answers: Answers) -> None:
    answers.say(BREAKS_OFF, "")
    answers.say(200, {"alerts": []})
    assert client.alerts() == []
    assert answers.asked == ["GET", "GET"]


def test_what_changes_something_is_never_repeated(client: Cifra, answers: Answers) -> None:
    answers.say(503, {"title": "Unavailable", "detail": "not now"}, {"Retry-After": "1"})
    with pytest.raises(ServerError):
        client.predict(b"a image")
    answers.turns.clear()
    answers.say(BREAKS_OFF, "")
    with pytest.raises(Unreachable):
        client.erase("an id")
    assert answers.asked == ["POST", "DELETE"]


def test_too_many_gets_are_told_at_once(client: Cifra, answers: Answers) -> None:
    answers.say(429, {"title": "Rate limit exceeded", "detail": "1 per hour"}, {"Retry-After": "9"})
    with pytest.raises(RateLimited) as limited:
        client.alerts()
    assert limited.value.retry_after_s == 9
    assert answers.asked == ["GET"]


def test_a_server_that_is_no_cifra_is_told(client: Cifra, answers: Answers) -> None:
    answers.say(200, "<html>Welcome</html>")
    with pytest.raises(UnexpectedResponse, match="JSON"):
        client.alerts()
    answers.turns.clear()
    answers.say(200, {"prediccion": "seven"})
    with pytest.raises(UnexpectedResponse, match="Prediction"):
        client.predict(b"a image")


def test_an_error_without_a_body_of_ours_keeps_its_status(client: Cifra, answers: Answers) -> None:
    answers.say(404, "<html>nginx</html>", {"X-Request-ID": "abc"})
    with pytest.raises(NotFound) as missing:
        client.alerts()
    assert (missing.value.title, missing.value.request_id) == ("Not Found", "abc")


def test_a_login_is_never_carried_to_another_address(client: Cifra, answers: Answers) -> None:
    answers.say(302, "", {"Location": "http://example.org/"})
    with pytest.raises(ApiError) as moved:
        client.alerts()
    assert moved.value.status == 302


def test_an_address_must_be_one() -> None:
    with pytest.raises(ValueError, match="not an http or https URL"):
        Cifra("127.0.0.1:5000")

"""What the Python client retries and what not, against a server with prepared responses.

Cifra cannot be made to fail on demand; these are responses that it, or a proxy, would give.
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
INTERRUPTED = 0


class Answers:
    """Prepared responses in order (the last one repeats), and the methods of the requests."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.turns: list[tuple[int, str, dict[str, str]]] = []

    def add(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.turns.append((status, text, headers or {}))

    def next(self, method: str) -> tuple[int, str, dict[str, str]]:
        self.methods.append(method)
        return self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def client(answers: Answers) -> Iterator[Cifra]:
    """Return a client of a server that sends these responses to everything but a login."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_login = self.path == "/login"
            status, body, headers = (
                (200, json.dumps(TOKENS), {}) if is_login else answers.next(self.command)
            )
            if status == INTERRUPTED:
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
        with Cifra(f"http://127.0.0.1:{server.server_port}", timeout_s=5) as client:
            client.login("anybody", "with any password")
            yield client
        server.shutdown()


def test_get_is_retried_after_retry_after(client: Cifra, answers: Answers) -> None:
    answers.add(503, {"title": "Unavailable", "detail": "not now"}, {"Retry-After": "1"})
    answers.add(200, {"alerts": []})
    assert client.alerts() == []
    assert answers.methods == ["GET", "GET"]


def test_get_is_retried_a_limited_number_of_times(client: Cifra, answers: Answers) -> None:
    answers.add(503, {"title": "Unavailable", "detail": "not now"}, {"Retry-After": "1"})
    with pytest.raises(ServerError, match="not now") as failed:
        client.alerts()
    assert failed.value.retry_after_s == 1
    assert answers.methods == ["GET"] * 3


def test_interrupted_get_is_retried(client: Cifra, answers: Answers) -> None:
    answers.add(INTERRUPTED, "")
    answers.add(200, {"alerts": []})
    assert client.alerts() == []
    assert answers.methods == ["GET", "GET"]


def test_unsafe_methods_are_never_retried(client: Cifra, answers: Answers) -> None:
    answers.add(503, {"title": "Unavailable", "detail": "not now"}, {"Retry-After": "1"})
    with pytest.raises(ServerError):
        client.predict(b"a image")
    answers.turns.clear()
    answers.add(INTERRUPTED, "")
    with pytest.raises(Unreachable):
        client.erase("an id")
    assert answers.methods == ["POST", "DELETE"]


def test_rate_limit_is_reported_without_retry(client: Cifra, answers: Answers) -> None:
    answers.add(429, {"title": "Rate limit exceeded", "detail": "1 per hour"}, {"Retry-After": "9"})
    with pytest.raises(RateLimited) as limited:
        client.alerts()
    assert limited.value.retry_after_s == 9
    assert answers.methods == ["GET"]


def test_response_of_another_server_is_unexpected(client: Cifra, answers: Answers) -> None:
    answers.add(200, "<html>Welcome</html>")
    with pytest.raises(UnexpectedResponse, match="JSON"):
        client.alerts()
    answers.turns.clear()
    answers.add(200, {"prediccion": "seven"})
    with pytest.raises(UnexpectedResponse, match="Prediction"):
        client.predict(b"a image")


def test_error_without_cifras_body_keeps_its_status(client: Cifra, answers: Answers) -> None:
    answers.add(404, "<html>nginx</html>", {"X-Request-ID": "abc"})
    with pytest.raises(NotFound) as missing:
        client.alerts()
    assert (missing.value.title, missing.value.request_id) == ("Not Found", "abc")


def test_redirects_are_not_followed(client: Cifra, answers: Answers) -> None:
    answers.add(302, "", {"Location": "http://example.org/"})
    with pytest.raises(ApiError) as moved:
        client.alerts()
    assert moved.value.status == 302


def test_url_must_be_http() -> None:
    with pytest.raises(ValueError, match="not an http or https URL"):
        Cifra("127.0.0.1:5000")

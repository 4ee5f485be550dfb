"""Deadlines for bodies under granian, without a server."""

import io
import json
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from serving import granian_bodies
from serving.deadlines import Deadlines
from serving.granian_bodies import BodyDeadlines

NO_TIME = Deadlines(header_s=10, body_s=0)
TIME = Deadlines(header_s=10, body_s=3_600)


def read_body(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [body]


def answer(application: BodyDeadlines, body: Any, **environ: str) -> tuple[str, bytes]:
    """Return the status and the body of a response."""
    found: list[str] = []
    request = {"PATH_INFO": "/", "REMOTE_ADDR": "127.0.0.1", "wsgi.input": body} | environ
    response = application(request, lambda status, _: found.append(status))
    return found[0], b"".join(response)


def body_deadlines(deadlines: Deadlines, application: Any = read_body) -> BodyDeadlines:
    return BodyDeadlines(application, deadlines, max_requests=1, port=0)


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_body_that_ends_early_after_its_deadline_is_408(size: int) -> None:
    application = body_deadlines(NO_TIME)
    status, body = answer(application, io.BytesIO(bytes(size - 1)), CONTENT_LENGTH=str(size))
    assert status == "408 Request Timeout"
    assert json.loads(body)["status"] == 408


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_body_that_is_complete_is_read_however_late(size: int) -> None:
    body = bytes(size)
    application = body_deadlines(NO_TIME)
    assert answer(application, io.BytesIO(body), CONTENT_LENGTH=str(size)) == ("200 OK", body)


def test_a_body_without_a_length_is_read_to_its_end() -> None:
    body = bytes(100_000)
    assert answer(body_deadlines(TIME), io.BytesIO(body)) == ("200 OK", body)


def test_a_request_that_waits_for_its_body_takes_no_place_and_health_needs_none() -> None:
    class Pipe(io.BytesIO):
        """A body of which the second half arrives when the event is set."""

        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                waits.set()
                assert arrived.wait(60)
            return super().read(size)

    waits, arrived = threading.Event(), threading.Event()
    application, body = body_deadlines(TIME), bytes(200_000)
    found: list[tuple[str, bytes]] = []
    slow = threading.Thread(
        target=lambda: found.append(answer(application, Pipe(body), CONTENT_LENGTH="200000"))
    )
    slow.start()
    assert waits.wait(60)
    assert answer(application, io.BytesIO(b"a"), CONTENT_LENGTH="1") == ("200 OK", b"a")
    application.places.get()  # as a request does that takes long
    check = threading.Thread(
        target=lambda: found.append(answer(application, io.BytesIO(), PATH_INFO="/livez")),
        daemon=True,
    )
    check.start()
    check.join(60)
    assert [status for status, _ in found] == ["200 OK"]
    application.places.put(None)
    arrived.set()
    slow.join()
    assert found[1:] == [("200 OK", body)]


def test_too_many_bodies_that_are_waited_for_are_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(granian_bodies, "MAX_WAITING_BODIES", 0)
    status, body = answer(body_deadlines(TIME), io.BytesIO(b"a"), CONTENT_LENGTH="1")
    assert status == "503 Service Unavailable"
    assert "try again" in json.loads(body)["detail"]


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
    ],
)
def test_an_address_has_one_form(peer: str, expected: str) -> None:
    assert granian_bodies._canonical(peer) == expected

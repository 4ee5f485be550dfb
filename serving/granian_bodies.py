"""Deadlines for request bodies under granian, whose threads wait for them without any.

Granian has threads enough that as many may wait as it has connections; here these are kept apart
from those that answer, and ended in time. A thread that waits in granian's `read` can only be woken
by the end of its connection, and nothing says which connection that is. So when a body of an
address is late, the watchdog looks at all connections of this address: on the one that has to be
ended nothing was sent since the body began, and next to nothing arrives. That holds too for one
whose answer takes longer than the deadline, and for an idle one: a client that lets bodies become
late loses these with them.
"""

import io
import ipaddress
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.exceptions import HTTPException, RequestTimeout, ServiceUnavailable

from serving import HEALTH_PATHS
from serving.deadlines import (
    MIN_UPLOAD_BYTES_PER_S,
    TIMED_OUT,
    BodyDeadline,
    Deadlines,
    problem_response,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_WAITING_BODIES = 1_000  # about as many as granian accepts connections
_PATIENCE_S = 0.2  # until a request is rejected because too many bodies are waited for
_CHECK_INTERVAL_S = 2.0  # during which an honest client makes progress, also on a bad connection
_MIN_PROGRESS_BYTES = int(MIN_UPLOAD_BYTES_PER_S * _CHECK_INTERVAL_S / 2)  # it comes in bursts
_TOO_MANY = "Too many requests are arriving slowly; try again in a moment"
_READ_BYTES = 16 * 1024  # small, since what has arrived of a piece is not known before its end

# Of Linux's struct tcp_info: milliseconds since something was sent, and bytes received in all.
_TCP_INFO = struct.Struct("=44xI80xQ")


class BodyDeadlines:
    """WSGI middleware, the outermost one: the body that it passes on is read with a deadline.

    Of all threads `max_requests` at a time may be in the application without waiting for a body.
    """

    def __init__(
        self, application: "WSGIApplication", deadlines: Deadlines, max_requests: int, port: int
    ) -> None:
        self._application, self._deadlines, self._port = application, deadlines, port
        self._waiting: dict[_TimedBody, None] = {}
        self.places: SimpleQueue[None] = SimpleQueue()  # the fastest semaphore that Python has
        for _ in range(max_requests):
            self.places.put(None)
        threading.Thread(target=self._watch, name="body-deadlines", daemon=True).start()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request; one whose body is late with 408."""
        if environ["PATH_INFO"] in HEALTH_PATHS:  # also while all places are taken
            return self._application(environ, start_response)
        body = _TimedBody(environ, self._deadlines, self)
        environ["wsgi.input"] = body
        try:
            if 0 < body.length <= _READ_BYTES:
                environ["wsgi.input"] = io.BytesIO(body.read(body.length))
            return self._answer(body, environ, start_response)
        except (RequestTimeout, ServiceUnavailable) as error:
            return _error_response(error, start_response)

    def _answer(
        self, body: "_TimedBody", environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        self.places.get()
        body.has_place = True
        try:
            return self._application(environ, start_response)
        finally:
            self.places.put(None)

    def start_waiting(self, body: "_TimedBody") -> None:
        """Count a body that a thread waits for. Raises ServiceUnavailable if there are too many."""
        patient_until_s = time.monotonic() + _PATIENCE_S
        while len(self._waiting) >= MAX_WAITING_BODIES:
            if time.monotonic() > patient_until_s:
                raise ServiceUnavailable
            time.sleep(_PATIENCE_S / 10)
        self._waiting[body] = None

    def stop_waiting(self, body: "_TimedBody") -> None:
        """Count a body no longer."""
        del self._waiting[body]

    def _watch(self) -> None:
        received: dict[Any, int] = {}
        while True:
            time.sleep(_CHECK_INTERVAL_S)
            ages_s = self._ages_of_late_bodies()
            with suppress(OSError):  # no descriptor is left for a look
                received = self._end_late_connections(ages_s, received) if ages_s else {}

    def _ages_of_late_bodies(self) -> dict[str, float]:
        """Return, for each address with late bodies, seconds since the last of them began."""
        now_s, ages_s = time.monotonic(), dict[str, float]()
        for body in list(self._waiting):
            if body.is_late():
                age_s = now_s - body.started_at_s
                ages_s[body.address] = min(age_s, ages_s.get(body.address, age_s))
        return ages_s

    def _end_late_connections(
        self, ages_s: dict[str, float], received_before: dict[Any, int]
    ) -> dict[Any, int]:
        """End the late connections of these addresses; return what each had received by now."""
        received: dict[Any, int] = {}
        for connection in _connections(self._port):
            age_s = ages_s.get(connection.address)
            if age_s is None or connection.unsent_s < age_s:
                continue
            peer, total = connection.peer, connection.received_bytes
            received[peer] = total
            if peer in received_before and total - received_before[peer] < _MIN_PROGRESS_BYTES:
                connection.end()
        return received


class _TimedBody:
    """The body of a request; reading it raises RequestTimeout once it is late."""

    def __init__(
        self, environ: "WSGIEnvironment", deadlines: Deadlines, waiting: BodyDeadlines
    ) -> None:
        self._body, self._waiting = environ["wsgi.input"], waiting
        self.address = _canonical(environ["REMOTE_ADDR"])
        length = environ.get("CONTENT_LENGTH", "")
        self.length = int(length) if length.isdecimal() else 0  # 0 if it was not announced
        self.started_at_s = time.monotonic()
        self.has_place = False
        self._deadline = BodyDeadline(deadlines.body_s)
        self._received_bytes = 0

    def is_late(self) -> bool:
        """Return whether too little has arrived in time."""
        return time.monotonic() > self._deadline.deadline_s

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, or all, fewer only at the end. Raises RequestTimeout."""
        self._waiting.start_waiting(self)
        if self.has_place:
            self._waiting.places.put(None)
        try:
            return self._read(size if size >= 0 else sys.maxsize)
        finally:
            self._waiting.stop_waiting(self)
            if self.has_place:
                self._waiting.places.get()

    def _read(self, size: int) -> bytes:
        pieces = []
        while size > 0:
            step = min(size, _READ_BYTES)
            piece = self._body.read(step)
            pieces.append(piece)
            size -= len(piece)
            self._received_bytes += len(piece)
            if len(piece) < step:  # the end of the body, or of its connection
                if self._received_bytes != self.length and self.is_late():
                    raise RequestTimeout
                break
            self._deadline.add(len(piece))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _ClientConnection(NamedTuple):
    """A connection to a client, as the kernel knows it."""

    descriptor: int
    peer: Any
    unsent_s: float  # since something was sent to the client
    received_bytes: int

    @property
    def address(self) -> str:
        """Return the address of the client, as granian writes it."""
        return _canonical(self.peer[0])

    def end(self) -> None:
        """Receive nothing more: what waits for more is at its end."""
        with _duplicate(self.descriptor) as connection:
            connection.shutdown(socket.SHUT_RD)


def _connections(port: int) -> Iterator[_ClientConnection]:
    """Yield the connections of this process that clients made to a port."""
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError), _duplicate(int(entry.name)) as connection:
            if connection.type != socket.SOCK_STREAM or connection.getsockname()[1:2] != (port,):
                continue
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
            unsent_ms, received_bytes = _TCP_INFO.unpack(info)
            yield _ClientConnection(
                int(entry.name), connection.getpeername(), unsent_ms / 1_000, received_bytes
            )


def _canonical(address: str) -> str:
    """Return an address in one form, also that of an IPv4 client on an IPv6 socket."""
    if ":" not in address:
        return address
    parsed = ipaddress.IPv6Address(address.split("%", 1)[0])
    return str(parsed.ipv4_mapped or parsed)


def _duplicate(descriptor: int) -> socket.socket:
    return socket.socket(fileno=os.dup(descriptor))


def _error_response(error: HTTPException, start_response: "StartResponse") -> list[bytes]:
    status = HTTPStatus(error.code or 500)
    detail = _TOO_MANY if status is HTTPStatus.SERVICE_UNAVAILABLE else TIMED_OUT
    headers, body = problem_response(status, detail)
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]

"""A limit on open sockets, and a timeout for sending to clients that do not read.

An open socket occupies a thread of the server for as long as it lasts.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SOCKET_IO_PATH = "/socket.io"
FULL_MESSAGE = "All live connections are in use; try again later"
SEND_TIMEOUT_S = 10
RETRY_AFTER_S = 5


class ConnectionLimiter:
    """WSGI middleware around an application that Socket.IO is attached to.

    Only WebSockets are accepted: a long poll occupies a thread too, and anybody may send many.
    """

    def __init__(
        self, application: "WSGIApplication", max_connections: int, on_open: Callable[[], None]
    ) -> None:
        self._application, self._on_open = application, on_open
        self._max_connections = max_connections
        self._open_count, self._count_lock = 0, threading.Lock()
        self.is_closed = False

    @property
    def open_count(self) -> int:
        """Return the number of open sockets, each of which occupies a thread."""
        return self._open_count

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Pass a request on; a socket counts as open until its thread returns."""
        if not environ.get("PATH_INFO", "").startswith(SOCKET_IO_PATH):
            return self._application(environ, start_response)
        if environ.get("HTTP_UPGRADE", "").lower() != "websocket" or _resumes_session(environ):
            return _error_response(
                start_response, HTTPStatus.BAD_REQUEST, "Connect with a WebSocket"
            )
        if not self._acquire():
            return _error_response(start_response, HTTPStatus.SERVICE_UNAVAILABLE, FULL_MESSAGE)
        try:
            _set_send_timeout(environ.get("gunicorn.socket"))
            self._on_open()
            return self._application(environ, start_response)
        finally:
            with self._count_lock:
                self._open_count -= 1

    def _acquire(self) -> bool:
        with self._count_lock:
            is_free = not self.is_closed and self._open_count < self._max_connections
            self._open_count += is_free
        return is_free


def _resumes_session(environ: "WSGIEnvironment") -> bool:
    """Return whether a request names an existing session."""
    return "sid" in parse_qs(environ.get("QUERY_STRING", ""))


def _error_response(
    start_response: "StartResponse", status: HTTPStatus, detail: str
) -> list[bytes]:
    body = {"msg": detail, "title": status.phrase, "status": status, "detail": detail}
    headers = [("Content-Type", "application/json")]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", str(RETRY_AFTER_S)))
    start_response(f"{status.value} {status.phrase}", headers)
    return [json.dumps(body).encode()]


def _set_send_timeout(connection: Any) -> None:
    """Let sends to a client that does not read time out, so that its thread becomes free."""
    if connection is not None:
        timeout = struct.pack("ll", SEND_TIMEOUT_S, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)

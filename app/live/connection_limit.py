"""What stands before Socket.IO: a bound on open sockets, and on how long one may refuse to read.

A socket holds a thread of the server for as long as it is open.
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
FULL_MESSAGE = "No more live connections are taken at the moment"
SEND_TIMEOUT_S = 10
RETRY_AFTER_S = 5


class ConnectionLimiter:
    """WSGI middleware before an application that Socket.IO was attached to.

    Websockets alone go through: what answers a poll holds a thread too, and anybody may ask for
    many of them.
    """

    def __init__(
        self, application: "WSGIApplication", most: int, opened: Callable[[], None]
    ) -> None:
        self._application, self._opened = application, opened
        self._most, self._taken, self._counting = most, 0, threading.Lock()
        self.is_closed = False

    @property
    def taken(self) -> int:
        """How many sockets are open, each of which holds a thread."""
        return self._taken

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Let a request by; a socket has a place for as long as it holds its thread."""
        if not environ.get("PATH_INFO", "").startswith(SOCKET_IO_PATH):
            return self._application(environ, start_response)
        if environ.get("HTTP_UPGRADE", "").lower() != "websocket" or _resumes_session(environ):
            return _error_response(
                start_response, HTTPStatus.BAD_REQUEST, "Connect with a websocket"
            )
        if not self._take():
            return _error_response(start_response, HTTPStatus.SERVICE_UNAVAILABLE, FULL_MESSAGE)
        try:
            _set_send_timeout(environ.get("gunicorn.socket"))
            self._opened()
            return self._application(environ, start_response)
        finally:
            with self._counting:
                self._taken -= 1

    def _take(self) -> bool:
        with self._counting:
            is_free = not self.is_closed and self._taken < self._most
            self._taken += is_free
        return is_free


def _resumes_session(environ: "WSGIEnvironment") -> bool:
    """Whether a request would go on with a socket that is open already."""
    return "sid" in parse_qs(environ.get("QUERY_STRING", ""))


def _error_response(
    start_response: "StartResponse", status: HTTPStatus, detail: str
) -> list[bytes]:
    told = {"msg": detail, "title": status.phrase, "status": status, "detail": detail}
    headers = [("Content-Type", "application/json")]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", str(RETRY_AFTER_S)))
    start_response(f"{status.value} {status.phrase}", headers)
    return [json.dumps(told).encode()]


def _set_send_timeout(connection: Any) -> None:
    """Have a send to a client that does not read fail after a while, so that its thread is free."""
    if connection is not None:
        timeout = struct.pack("ll", SEND_TIMEOUT_S, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)

"""A limit on open sockets: in all, by address, by user, and with places kept for admins.

An open socket occupies a thread of the server for as long as it lasts.
"""

import json
import logging
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from app.domain.roles import CurrentUser, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SOCKET_IO_PATH = "/socket.io"
CONNECTION_KEY = "cifra.live_connection"  # of the Connection in a socket's WSGI environment
FULL_MESSAGE = "All live connections are in use; try again later"
MAX_CONNECTIONS_PER_USER = 8  # of a user who is no admin, so that one cannot use up all sockets
SEND_TIMEOUT_S = 10
RECEIVE_TIMEOUT_S = 25  # more than two pings without an answer
RETRY_AFTER_S = 5

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Connection:
    """An open socket; it is unauthenticated, and has no user, until it has sent a valid token."""

    address: str
    user: CurrentUser | None = None
    is_malformed: bool = False  # it sent a malformed packet and is being closed

    @property
    def is_admin(self) -> bool:
        """Return whether an admin is connected."""
        return self.user is not None and self.user.role is Role.ADMIN


class ConnectionPlaces:
    """Counts open sockets and decides who gets one; every decision is made under one lock.

    Unauthenticated sockets get a quarter of the places, those of one address half of these, and
    users leave an eighth of all to admins. So neither users nor clients without a token, who have
    three seconds to send one, keep any admin out.
    """

    def __init__(self, max_connections: int) -> None:
        self._max_connections = max_connections
        self._max_unauthenticated = max(2, max_connections // 4)
        self._max_unauthenticated_per_address = max(2, self._max_unauthenticated // 2)
        self._kept_for_admins = max_connections // 8
        self._open: set[Connection] = set()
        self._lock = threading.Lock()
        self.is_closed = False

    def __len__(self) -> int:
        """Return the number of open sockets."""
        return len(self._open)

    def open(self, address: str) -> Connection | None:
        """Give a new socket a place; None if there is none."""
        with self._lock:
            unauthenticated = [each for each in self._open if each.user is None]
            if self.is_closed or len(self._open) >= self._max_connections:
                return None
            if len(unauthenticated) >= self._max_unauthenticated:
                return None
            from_address = sum(each.address == address for each in unauthenticated)
            if from_address >= self._max_unauthenticated_per_address:
                return None
            connection = Connection(address)
            self._open.add(connection)
            return connection

    def authenticate(self, connection: Connection, user: CurrentUser) -> bool:
        """Set the user of a socket; False if this user, or all users, have too many places."""
        with self._lock:
            others = [each.user for each in self._open if each.user and not each.is_admin]
            if user.role is not Role.ADMIN and (
                sum(each.user_id == user.user_id for each in others) >= MAX_CONNECTIONS_PER_USER
                or len(others) >= self._max_connections - self._kept_for_admins
            ):
                return False
            connection.user = user
            return True

    def close(self, connection: Connection) -> None:
        """Take a place back."""
        with self._lock:
            self._open.discard(connection)


class ConnectionLimiter:
    """WSGI middleware around an application that Socket.IO is attached to.

    Only WebSockets are accepted: a long poll occupies a thread too, and anybody may send many.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        places: ConnectionPlaces,
        on_open: Callable[[], None],
    ) -> None:
        self._application, self._places, self._on_open = application, places, on_open

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Pass a request on; a socket counts as open until its thread returns."""
        if not environ.get("PATH_INFO", "").startswith(SOCKET_IO_PATH):
            return self._application(environ, start_response)
        if not _is_websocket_handshake(environ) or _resumes_session(environ):
            return _error_response(
                start_response, HTTPStatus.BAD_REQUEST, "Connect with a WebSocket"
            )
        with self._place(environ.get("REMOTE_ADDR", "")) as connection:
            if connection is None:
                return _error_response(start_response, HTTPStatus.SERVICE_UNAVAILABLE, FULL_MESSAGE)
            environ[CONNECTION_KEY] = connection
            # Compressed messages are inflated before anybody looks at their size.
            environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
            _set_timeouts(environ.get("gunicorn.socket"))
            self._on_open()
            try:
                return self._application(environ, start_response)
            except (ValueError, LookupError, RecursionError) as error:  # of Engine.IO's decoder
                _log.info("a malformed packet; the connection is closed")
                raise StopIteration from error  # gunicorn closes it, and logs no traceback

    @contextmanager
    def _place(self, address: str) -> "Iterator[Connection | None]":
        connection = self._places.open(address)
        try:
            yield connection
        finally:
            if connection is not None:
                self._places.close(connection)


def _is_websocket_handshake(environ: "WSGIEnvironment") -> bool:
    """Return whether a request has what the WebSocket library requires, or else raises for."""
    return (
        environ["REQUEST_METHOD"] == "GET"
        and environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        and "upgrade" in environ.get("HTTP_CONNECTION", "").lower()
        and environ.get("HTTP_SEC_WEBSOCKET_VERSION") == "13"
        and len(environ.get("HTTP_SEC_WEBSOCKET_KEY", "")) == 24
        and environ.get("SERVER_PROTOCOL") != "HTTP/1.0"
    )


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


def _set_timeouts(connection: Any) -> None:
    """Free the thread of a client that reads nothing, or that falls silent.

    Engine.IO sets a timeout for silence itself, on an attribute that this library does not have.
    """
    if connection is not None:
        for option, seconds in (
            (socket.SO_SNDTIMEO, SEND_TIMEOUT_S),
            (socket.SO_RCVTIMEO, RECEIVE_TIMEOUT_S),
        ):
            connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))

"""A client's connection under gunicorn, while a request arrives on it."""

import socket
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.config import Config as GunicornConfig
from gunicorn.http import RequestParser
from gunicorn.workers.gthread import TConn

from serving import HEALTH_PATHS
from serving.deadlines import Deadlines
from serving.request_buffer import RequestBuffer, Spool

RECEIVE_BYTES = 64 * 1024
_MAX_RECEIVES = 16  # before other connections have their turn
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HEALTH_REQUESTS = tuple(
    f"{method} {path} ".encode() for method in ("GET", "HEAD") for path in HEALTH_PATHS
)


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A client's connection, and the request that is arriving on it."""

    def __init__(
        self,
        config: GunicornConfig,
        sock: socket.socket,
        addresses: tuple[Any, Any],
        deadlines: Deadlines,
        spool: Spool,
    ) -> None:
        """Begin with a client's and the server's address."""
        super().__init__(config, sock, *addresses)
        self.initialized = self.data_ready = True  # nothing is left to gunicorn's `handle`
        self._new_request = partial(RequestBuffer, deadlines, spool)
        self._rest = b""
        self.is_closing = self.is_websocket = self.uses_health_thread = False
        self._has_sent_continue = False
        self.request = self._new_request()
        self.idle_until_s: float | None = None  # between requests
        self.closed_by_s = 0.0

    @property
    def deadline_s(self) -> float:
        """Return until when to wait for the client, by the clock `time.monotonic`."""
        if self.is_closing:
            return self.closed_by_s
        if self.request.is_empty and self.idle_until_s is not None:
            return self.idle_until_s
        return self.request.deadline_s

    def receive(self) -> bool:
        """Receive what has arrived; return whether the request is complete.

        Raises EOFError if the client has closed the connection, OSError and RequestRejected.
        """
        rest, self._rest = self._rest, b""
        if rest:
            self.request.feed(rest)
        for _ in range(_MAX_RECEIVES):
            if self.request.is_complete:
                break
            try:
                data = self.sock.recv(RECEIVE_BYTES)
            except BlockingIOError:
                break
            if not data:
                raise EOFError
            self.request.feed(data)
        if self.request.is_complete:
            self.parser = RequestParser(self.cfg, self.request.pieces(), self.client)
        elif self.request.expects_continue and not self._has_sent_continue:
            self._has_sent_continue = True
            self.sock.send(_CONTINUE)
        return self.request.is_complete

    def next_request(self) -> bool:
        """Prepare for the next request; return whether some of it has arrived already."""
        self._rest = self.request.rest
        self.request.close()
        self.request, self.parser = self._new_request(), None
        self._has_sent_continue = False
        return bool(self._rest)

    def asks_for_health(self) -> bool:
        """Return whether the request that is arriving is a health check."""
        with suppress(OSError):
            start = self._rest or self.sock.recv(16, socket.MSG_PEEK)
            return start.startswith(_HEALTH_REQUESTS)
        return False

    def end_websocket(self) -> None:
        """Let nobody send or receive anything more.

        Threads of the WebSocket's library still use the socket, and close it at any moment. So it
        must not go into the poller, nor be closed before they have noticed.
        """
        self.is_websocket = True
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def send_at_once(self, response: bytes) -> None:
        """Send a response if the client takes it without waiting."""
        with suppress(OSError):
            self.sock.send(response)

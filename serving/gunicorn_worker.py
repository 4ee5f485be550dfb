"""A gunicorn worker whose threads never wait for a client.

gunicorn's own threaded worker reads each request in a thread, for as long as that takes: as many
slow clients as it has threads stop it. Here a connection waits in the poller until its request has
arrived completely, or is late; then a thread parses, answers, and gives the connection back. A
client that does not read its response is given up, and closing a connection waits for nobody.

Health checks have threads of their own, for when all others are busy.
"""

import errno
import itertools
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ
from typing import Any, ClassVar

from gunicorn.http.message import Request
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from serving.deadlines import TIMED_OUT, Deadlines, problem_response
from serving.gunicorn_connection import RECEIVE_BYTES, Connection
from serving.request_buffer import RequestRejected, Spool

SEND_TIMEOUT_S = 60  # in which a client must read something of its response
HEALTH_SEND_TIMEOUT_S = 0.5
HEALTH_THREADS = 2
_CLOSE_TIMEOUT_S = 2.0  # for the client to close its side too, so that it gets the last response
_WEBSOCKET_CLOSE_S = 1.0  # in which the threads of its library notice the end
_SWEEP_INTERVAL_S = 0.25
_SPARE_CONNECTIONS = 50  # below the limit, from which on the least active ones are closed
_UNFINISHED = object()  # of a connection whose request has not arrived completely


class RequestWorker(ThreadWorker):  # type: ignore[misc]
    """Reads requests without occupying a thread, and answers each in one."""

    deadlines: ClassVar = Deadlines(header_s=10, body_s=15)  # gunicorn.conf.py sets them

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spool = Spool()
        self._waiting: dict[Connection, None] = {}  # in the poller
        self._ended_websockets: deque[Connection] = deque()
        self._busy_threads = 0
        self._next_sweep_s = 0.0

    def init_process(self) -> None:
        """Create the threads for health checks, and run."""
        self._health_pool = ThreadPoolExecutor(HEALTH_THREADS, "health")
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection, and wait for its request."""
        try:
            client_socket, client_address = listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}:
                self._close_least_active(_SPARE_CONNECTIONS)
            return
        with suppress(OSError):  # of another kind of socket
            # By the kernel: a timeout of Python's would cost system calls with each request.
            client_socket.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SEND_TIMEOUT_S * 1_000
            )
        self.nr_conns += 1
        addresses = client_address, listener.getsockname()
        self._wait(Connection(self.cfg, client_socket, addresses, self.deadlines, self.spool))

    def enqueue_req(self, conn: Connection) -> None:
        """Have a thread receive what has arrived, and answer it if it is a whole request."""
        conn.uses_health_thread = self._busy_threads >= self.cfg.threads and conn.asks_for_health()
        pool = self._health_pool if conn.uses_health_thread else self.tpool
        self._busy_threads += not conn.uses_health_thread
        future = pool.submit(self.handle, conn)
        future.add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def handle(self, conn: Connection) -> object:
        """Receive and answer. Runs in a thread."""
        try:
            if not conn.receive():
                return _UNFINISHED
        except RequestRejected as error:
            self._reject(conn, error.status, error.detail)
            return False
        except (OSError, EOFError):
            conn.is_closing = True
            return False
        return super().handle(conn)

    def handle_request(self, req: Request, conn: Connection) -> bool:
        """Answer a request; return whether the connection can be used for another one."""
        req._expected_100_continue = False  # its body is here
        if conn.request.is_truncated or len(self._waiting) >= self.max_keepalived:
            req.force_close()
        if conn.uses_health_thread:
            conn.sock.settimeout(HEALTH_SEND_TIMEOUT_S)
        try:
            return bool(super().handle_request(req, conn))
        except TimeoutError:
            self.log.info("a client did not read its response in time; the connection is closed")
            return False
        except Exception:
            if any(name == "UPGRADE" for name, _ in req.headers):  # this is how a WebSocket ends
                conn.end_websocket()
            raise

    def finish_request(self, conn: Connection, future: "Future[object]") -> None:
        """Wait for the rest of a request or for the next one, or close the connection."""
        self._busy_threads -= not conn.uses_health_thread
        result = self._result_of(future)
        if conn.is_websocket:
            conn.closed_by_s = time.monotonic() + _WEBSOCKET_CLOSE_S
            self._ended_websockets.append(conn)
            return
        if conn.is_closing or conn.sock.fileno() < 0:
            self._discard(conn)
            return
        conn.sock.setblocking(False)
        if result is _UNFINISHED:
            self._wait(conn)
        elif not result:
            self._close(conn)
        elif conn.next_request():
            self.enqueue_req(conn)
        else:
            linger_s = self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER
            conn.idle_until_s = time.monotonic() + linger_s
            self._wait(conn)

    def _result_of(self, future: "Future[object]") -> object:
        if future.cancelled():
            return False
        if (error := future.exception()) is not None:
            self.log.error("receiving a request failed", exc_info=error)
            return False
        return future.result()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events, and not longer than until the next deadlines are checked."""
        if self._waiting or self._ended_websockets:
            timeout = min(timeout, _SWEEP_INTERVAL_S)
        super().wait_for_and_dispatch_events(timeout)

    def murder_pending(self) -> None:
        """Close the connections whose deadline has passed; called in each turn of the loop."""
        excess = self.nr_conns - (self.worker_connections - _SPARE_CONNECTIONS)
        if excess > 0:
            self._close_least_active(excess)
        now_s = time.monotonic()
        if now_s < self._next_sweep_s:
            return
        self._next_sweep_s = now_s + _SWEEP_INTERVAL_S
        while self._ended_websockets and self._ended_websockets[0].closed_by_s <= now_s:
            self._discard(self._ended_websockets.popleft())
        for conn in list(self._waiting):
            if conn.deadline_s <= now_s:
                self._stop_waiting(conn)
                self._expire(conn)

    def _close_least_active(self, count: int) -> None:
        """Close so many connections, of those that have been silent for longest."""
        for conn in list(itertools.islice(self._waiting, count)):
            self._stop_waiting(conn)
            self._discard(conn)

    def murder_keepalived(self, force: bool = False) -> None:  # noqa: FBT001, FBT002  gunicorn's
        """Close what is left at the end; `murder_pending` closes idle connections."""
        for conn in list(self._waiting) if force else ():
            self._stop_waiting(conn)
            self._discard(conn)
        while force and self._ended_websockets:
            self._discard(self._ended_websockets.popleft())

    def _cap_keepalive(self, deadline: float) -> None:
        """Wait for no request that has not begun when the worker is to stop."""
        for conn in self._waiting:
            if conn.request.is_empty:
                conn.idle_until_s = deadline

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:  # noqa: FBT001
        """Return whether another request may follow; what is left of this one is here already."""
        return keepalive and not conn.request.is_truncated and not conn.parser.mesg.body.failed

    def _wait(self, conn: Connection) -> None:
        self._waiting[conn] = None
        on_readable: Callable[[socket.socket], None] = partial(self._on_readable, conn)
        self.poller.register(conn.sock, EVENT_READ, on_readable)

    def _stop_waiting(self, conn: Connection) -> None:
        del self._waiting[conn]
        self.poller.unregister(conn.sock)

    def _on_readable(self, conn: Connection, _: socket.socket) -> None:
        self._stop_waiting(conn)
        if not conn.is_closing:
            self.enqueue_req(conn)
        elif _drain(conn.sock):
            self._wait(conn)
        else:
            self._discard(conn)

    def _expire(self, conn: Connection) -> None:
        if conn.is_closing or conn.request.is_empty:
            self._discard(conn)
            return
        self._reject(conn, HTTPStatus.REQUEST_TIMEOUT, TIMED_OUT)
        self._close(conn)

    def _reject(self, conn: Connection, status: HTTPStatus, detail: str) -> None:
        self.log.info("a request is rejected: %s", detail)
        headers, body = problem_response(status, detail)
        headers.append(("Content-Length", str(len(body))))
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\n{fields}\r\n"
        conn.send_at_once(head.encode() + body)

    def _close(self, conn: Connection) -> None:
        """Close a connection once the client has got what was sent, or after two seconds."""
        conn.is_closing = True
        conn.request.close()
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._discard(conn)
            return
        conn.closed_by_s = time.monotonic() + _CLOSE_TIMEOUT_S
        self._wait(conn)

    def _discard(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.request.close()
        conn.close()


def _drain(sock: socket.socket) -> bool:
    """Drop what a closing connection still sends; return whether more may come."""
    try:
        return bool(sock.recv(RECEIVE_BYTES))
    except BlockingIOError:
        return True
    except OSError:
        return False

"""Clients that send a beginning at once, and from then on a byte now and then."""

import selectors
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle

BYTE_INTERVAL_S = 0.5

HEADERS = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = (
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 1024\r\n\r\n{"username": "'
)
UPLOAD = (
    b"POST /api/v2/predict/batch HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 16000000\r\n\r\n--x\r\n"
)


class SlowClients:
    """Connections that all send slowly until the block ends, or the server has closed them."""

    def __init__(self, port: int, beginnings: Sequence[bytes], count: int) -> None:
        """Connect as many clients, which send one of the beginnings each."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._selector = selectors.DefaultSelector()
        self._connections = [
            socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(count)
        ]
        self.responses: list[bytes] = []  # of those that the server has closed
        self._received = dict.fromkeys(self._connections, b"")
        for connection, beginning in zip(self._connections, cycle(beginnings)):
            connection.sendall(beginning)
            self._selector.register(connection, selectors.EVENT_READ)

    def __enter__(self) -> "SlowClients":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()
        self._selector.close()

    @property
    def are_closed(self) -> bool:
        """Return whether the server has closed all connections."""
        return len(self.responses) == len(self._connections)

    def _run(self) -> None:
        next_byte_s = time.monotonic() + BYTE_INTERVAL_S
        while not self._stop.is_set() and not self.are_closed:
            for key, _ in self._selector.select(0.1):
                self._receive(key.fileobj)  # type: ignore[arg-type]
            if time.monotonic() >= next_byte_s:
                next_byte_s += BYTE_INTERVAL_S
                for key in list(self._selector.get_map().values()):
                    with suppress(OSError):
                        key.fileobj.send(b"a")  # type: ignore[union-attr]

    def _receive(self, connection: socket.socket) -> None:
        data = b""
        with suppress(OSError):  # reset
            data = connection.recv(65_536)
        self._received[connection] += data
        if not data:
            self._selector.unregister(connection)
            self.responses.append(self._received[connection])


def send_slowly(port: int, pieces: Sequence[bytes], interval_s: float) -> bytes:
    """Send pieces at this interval on a new connection; return what the server responds."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(interval_s)
        return connection.recv(65_536)

"""Many dashboards in a separate process that only read events.

python -m benchmarks.dashboard_clients URL TOKEN COUNT
"""

import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from websocket import WebSocket, create_connection

PING, PONG, OPENED, EVENT = "2", "3", "40/live,", "42/live,"


@dataclass
class DashboardClients:
    """The number of events that all dashboards received; known when they are closed."""

    received: int = 0


@contextmanager
def connected_dashboards(url: str, token: str, count: int) -> Iterator[DashboardClients]:
    """Keep `count` dashboards connected until the block ends."""
    dashboards = DashboardClients()
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.dashboard_clients", url, token, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline() == "connected\n"
    try:
        yield dashboards
    finally:
        dashboards.received = int(child.communicate(timeout=30)[0])


def main(url: str, token: str, count: int) -> None:
    """Read until standard input is closed; print the number of events."""
    sockets = [_connect(url, token) for _ in range(count)]
    print("connected", flush=True)
    selector, received, is_over = selectors.DefaultSelector(), 0, False
    for socket in sockets:
        selector.register(socket.sock, selectors.EVENT_READ, socket)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while not is_over:
        for ready, _ in selector.select():
            if ready.data is None:
                is_over = True
            else:
                received += _receive_event(ready.data)
    for socket in sockets:
        socket.close()
    print(received)


def _connect(url: str, token: str) -> WebSocket:
    address = url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
    socket = create_connection(address, timeout=30)
    socket.recv()
    socket.send(f'40/live,{{"token": "{token}"}}')
    if not str(socket.recv()).startswith(OPENED):
        raise SystemExit("a dashboard could not connect")
    return socket


def _receive_event(socket: WebSocket) -> bool:
    """Read one message; return whether it was an event."""
    message = str(socket.recv())
    if message == PING:
        socket.send(PONG)
    return message.startswith(EVENT)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

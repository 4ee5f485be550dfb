"""Families of hostile clients without a token: what some clients do to a server at once."""

import random
import socket
from collections.abc import Callable
from contextlib import suppress

from websocket import ABNF, WebSocketException

from tests.support.live_client import open_websocket, wait_until
from tests.support.server_process import Client, Server
from tests.support.slow_clients import BODY, HEADERS, UPLOAD, SlowClients

MANY = 100  # more than either server has threads for requests
HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
POLLING = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n"

Family = Callable[[Server, Client, int], None]


def nonsense(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def send_on_connections(server: Server, count: int, data: bytes) -> None:
    """Send data on so many connections, and read each until it is closed or falls silent."""
    connections = [
        socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(count)
    ]
    for connection in connections:
        with suppress(OSError):
            connection.sendall(data)
    for connection in connections:
        with suppress(OSError), connection:
            connection.recv(65_536)


def open_sockets(server: Server, _: Client, count: int) -> None:
    opened = []
    for _ in range(count):
        with suppress(WebSocketException, OSError):
            opened.append(open_websocket(server.url))
    for each in opened:
        with suppress(WebSocketException, OSError):
            while each.recv():
                pass
        each.shutdown()


def poll(server: Server, _: Client, count: int) -> None:
    send_on_connections(server, count, POLLING)


def send_headers_slowly(server: Server, _: Client, count: int) -> None:
    with SlowClients(server.port, [HEADERS], count) as slow:
        wait_until(lambda: slow.are_closed, "the end of slow headers")


def send_bodies_slowly(server: Server, _: Client, count: int) -> None:
    with SlowClients(server.port, [BODY, UPLOAD], count) as slow:
        wait_until(lambda: slow.are_closed, "the end of slow bodies")


def speak_http_2(server: Server, _: Client, count: int) -> None:
    send_on_connections(server, count, HTTP_2 * 100)


def send_nonsense(server: Server, _: Client, count: int) -> None:
    send_on_connections(server, count, nonsense(100_000))


def send_nonsense_to_sockets(server: Server, _: Client, count: int) -> None:
    for number in range(count):
        with suppress(WebSocketException, OSError):
            opened = open_websocket(server.url)
            opened.recv()
            opened.sock.sendall(nonsense(10_000 + number))
            opened.shutdown()


def send_nonsense_packets_after_the_token(server: Server, ana: Client, count: int) -> None:
    for number in range(count):
        with suppress(WebSocketException, OSError):
            opened = open_websocket(server.url)
            opened.recv()
            opened.send('40/live,{"token": "' + ana.tokens["access_token"] + '"}')
            opened.recv()
            for opcode in (ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY):
                opened.send(nonsense(1_000 + number).decode("latin-1"), opcode)
            opened.shutdown()


ON_GUNICORN: list[Family] = [
    open_sockets,
    poll,
    send_headers_slowly,
    send_bodies_slowly,
    speak_http_2,
    send_nonsense,
    send_nonsense_to_sockets,
    send_nonsense_packets_after_the_token,
]
ON_GRANIAN: list[Family] = [send_headers_slowly, send_bodies_slowly, speak_http_2, send_nonsense]

"""Families of hostile clients without a token: what they do to a server, each in one function."""

import random
import socket
from collections.abc import Callable
from contextlib import suppress

from websocket import ABNF, WebSocketException

from tests.support.live_client import open_websocket, wait_until
from tests.support.server_process import Client, Server
from tests.support.slow_clients import BODY, HEADERS, UPLOAD, SlowClients

CLIENTS = 100  # more than either server has threads for requests
HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
POLLING = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n"

Family = Callable[[Server, Client], None]


def nonsense(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def send_to_each(server: Server, data: bytes) -> None:
    """Send data on many connections, and read each until the server closes it or falls silent."""
    connections = [
        socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(CLIENTS)
    ]
    for connection in connections:
        with suppress(OSError):
            connection.sendall(data)
    for connection in connections:
        with suppress(OSError), connection:
            connection.recv(65_536)


def open_sockets(server: Server, _: Client) -> None:
    opened = []
    for _ in range(CLIENTS):
        with suppress(WebSocketException, OSError):
            opened.append(open_websocket(server.url))
    for each in opened:
        with suppress(WebSocketException, OSError):
            while each.recv():
                pass
        each.shutdown()


def poll(server: Server, _: Client) -> None:
    send_to_each(server, POLLING)


def send_headers_slowly(server: Server, _: Client) -> None:
    with SlowClients(server.port, [HEADERS], CLIENTS) as slow:
        wait_until(lambda: slow.are_closed, "the end of slow headers")


def send_bodies_slowly(server: Server, _: Client) -> None:
    with SlowClients(server.port, [BODY, UPLOAD], CLIENTS) as slow:
        wait_until(lambda: slow.are_closed, "the end of slow bodies")


def speak_http_2(server: Server, _: Client) -> None:
    send_to_each(server, HTTP_2 * 100)


def send_nonsense(server: Server, _: Client) -> None:
    send_to_each(server, nonsense(100_000))


def send_nonsense_to_sockets(server: Server, _: Client) -> None:
    for number in range(CLIENTS):
        with suppress(WebSocketException, OSError):
            opened = open_websocket(server.url)
            opened.recv()
            opened.sock.sendall(nonsense(10_000 + number))
            opened.shutdown()


def send_nonsense_packets_after_the_token(server: Server, ana: Client) -> None:
    for number in range(CLIENTS):
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

"""What unauthenticated sockets may cost: places, memory, lines in the log."""

import json
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
import socketio
from websocket import ABNF, WebSocket, WebSocketException

from app.domain.roles import CurrentUser, Role
from app.live.connection_limit import (
    MAX_CONNECTIONS_PER_USER,
    RECEIVE_TIMEOUT_S,
    ConnectionPlaces,
)
from tests.conftest import run_concurrently
from tests.support.live_client import (
    HANDSHAKE,
    LiveClient,
    connect_live,
    open_websocket,
    open_when_free,
    try_to_connect,
)
from tests.support.process_usage import MEBIBYTE, MemoryPeak, cpu_seconds, memory_bytes
from tests.support.server_process import UNLIMITED, Server, serve

CLIENTS = 80


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve Cifra behind a proxy, so that tests can come from several addresses."""
    settings = UNLIMITED | {"TRUSTED_PROXIES": "1", "LOG_FORMAT": "json"}
    with serve(tmp_path_factory.mktemp("live") / "data", **settings) as running:
        yield running


def from_address(address: str) -> dict[str, object]:
    return {"header": {"X-Forwarded-For": address}}


def user(user_id: int, role: Role = Role.USER) -> CurrentUser:
    return CurrentUser(user_id, role, None)  # type: ignore[arg-type]  # the session does not matter


def test_unauthenticated_sockets_and_users_leave_places_to_admins() -> None:
    places = ConnectionPlaces(64)
    opened = [places.open(f"192.0.2.{index}") for index in range(64)]
    assert sum(each is not None for each in opened) == 16
    for each in filter(None, opened):
        places.close(each)
    for user_id in range(56):
        connection = places.open("192.0.2.1")
        assert connection is not None
        assert places.authenticate(connection, user(user_id))
    one_more = places.open("192.0.2.1")
    assert one_more is not None
    assert not places.authenticate(one_more, user(57))
    assert places.authenticate(one_more, user(58, Role.ADMIN))


def test_one_address_leaves_places_to_others() -> None:
    places = ConnectionPlaces(64)
    assert sum(places.open("192.0.2.1") is not None for _ in range(64)) == 8
    assert places.open("192.0.2.2") is not None


def test_a_place_is_given_once_to_concurrent_connections_of_a_user() -> None:
    places = ConnectionPlaces(400)
    connections = iter([places.open(f"192.0.2.{index}") for index in range(24)])
    granted = run_concurrently(24, lambda: places.authenticate(next(connections), user(1)))  # type: ignore[arg-type]
    assert sum(granted) == MAX_CONNECTIONS_PER_USER


def test_one_user_gets_eight_connections_however_many_come_at_once(server: Server) -> None:
    token = server.register("dora").tokens["access_token"]
    clients: list[LiveClient] = []

    def connect() -> None:
        if (client := try_to_connect(server.url, token)) is not None:
            clients.append(client)

    run_concurrently(24, connect)
    assert len(clients) <= MAX_CONNECTIONS_PER_USER
    for client in clients:
        client.sio.disconnect()


def test_unauthenticated_clients_that_reconnect_at_once_keep_no_admin_out(server: Server) -> None:
    admin, is_over = server.admin_client(), []
    last_try_s = time.monotonic() + 60

    def keep_connecting() -> None:
        while not is_over and time.monotonic() < last_try_s:
            with suppress(WebSocketException, OSError):
                opened = open_websocket(server.url, **from_address("198.51.100.7"))
                with suppress(WebSocketException, OSError):
                    while opened.recv():
                        pass
                opened.shutdown()

    def connect_as_admin() -> None:
        connected = 0
        try:
            for _ in range(8):  # on a busy machine a client may be late with its token
                with (
                    suppress(socketio.exceptions.ConnectionError, AssertionError),
                    connect_live(server.url, admin.tokens["access_token"]) as dashboard,
                ):
                    dashboard.wait_for("traffic")
                    connected += 1
                if connected == 4:
                    break
        finally:
            is_over.append(True)
        assert connected >= 4

    run_concurrently(CLIENTS, connect_as_admin, *[keep_connecting] * (CLIENTS - 1))


def test_no_extension_is_offered(server: Server) -> None:
    opened = open_websocket(server.url, header={"Sec-WebSocket-Extensions": "permessage-deflate"})
    assert "sec-websocket-extensions" not in opened.getheaders()
    opened.shutdown()


def test_a_compressed_message_is_rejected_without_being_inflated(server: Server) -> None:
    bomb = zlib.compress(bytes(200 * MEBIBYTE))
    opened = open_websocket(server.url, header={"Sec-WebSocket-Extensions": "permessage-deflate"})
    opened.recv()
    idle, before = memory_bytes(server.process.pid), cpu_seconds(server.process.pid)
    with MemoryPeak(server.process.pid) as memory:
        frame = ABNF(1, 1, 0, 0, ABNF.OPCODE_TEXT, 1, bomb[2:-4])
        with suppress(WebSocketException, OSError):
            opened.send_frame(frame)
            while opened.recv():
                pass
    opened.shutdown()
    assert memory.peak_bytes - idle <= 50 * MEBIBYTE
    assert cpu_seconds(server.process.pid) - before <= 2


@pytest.mark.parametrize(
    ("removed", "changed"),
    [
        ("Sec-WebSocket-Key", None),
        ("Sec-WebSocket-Version", None),
        ("Connection", None),
        ("Sec-WebSocket-Key", "short"),
        ("Sec-WebSocket-Version", "12"),
        ("Origin", "http://["),
        ("Origin", "null"),
    ],
)
def test_a_malformed_handshake_is_400(server: Server, removed: str, changed: str | None) -> None:
    headers: dict[str, str | None] = HANDSHAKE | {removed: changed}
    opening = f"{server.url}/socket.io/?EIO=4&transport=websocket"
    assert requests.get(opening, timeout=5, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "packet",
    ["4[", "40/live,{", "4", "x", "451-", "451-[{}]", "49", "4" + "[" * 10_000, b"\0binary", "6"],
    ids=range(10),
)
def test_a_malformed_packet_closes_its_connection_with_one_line(
    server: Server, packet: str | bytes
) -> None:
    written = server.log.stat().st_size
    opened = open_websocket(server.url)
    opened.recv()
    send = opened.send_binary if isinstance(packet, bytes) else opened.send
    with suppress(WebSocketException, OSError):
        for _ in range(100):
            send(packet)
        while opened.recv():
            pass
    opened.shutdown()
    new = server.log.read_bytes()[written:]
    assert b"Traceback" not in new
    assert len(new.splitlines()) <= 3
    for line in new.splitlines():
        json.loads(line)


def is_closed_by_the_server(opened: WebSocket) -> bool:
    """Read what there is, answering no ping; return whether the connection has ended."""
    opened.sock.settimeout(0.01)
    try:
        return opened.sock.recv(65_536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.long
def test_a_connection_that_falls_silent_is_dropped(server: Server) -> None:
    admin = server.admin_client()
    opened = open_websocket(server.url)
    opened.recv()
    token = json.dumps({"token": admin.tokens["access_token"]})
    opened.send(f"40/live,{token}")
    assert str(opened.recv()).startswith("40/live,")
    deadline = time.monotonic() + RECEIVE_TIMEOUT_S + 20
    with connect_live(server.url, admin.tokens["access_token"]) as dashboard:
        while not is_closed_by_the_server(opened):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert "/live" in dashboard.sio.namespaces
    opened.shutdown()


def test_places_of_closed_connections_are_free_again(tmp_path: Path) -> None:
    with serve(tmp_path / "data", **UNLIMITED, LIVE_SOCKETS="2", WEB_THREADS="4") as small:
        for _ in range(3):
            sockets = [open_when_free(small.url) for _ in range(2)]
            for each in sockets:
                each.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes(8))
                each.shutdown()

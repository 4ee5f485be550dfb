"""Clients that send or read slowly, on both servers: they are cut off, and delay nobody."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from PIL import Image

from tests.conftest import GoldenSet, encode_image
from tests.support.live_client import wait_until
from tests.support.server_process import (
    EMBEDDED,
    HTTP_TIER,
    UNLIMITED,
    Client,
    Server,
    serve,
)
from tests.support.slow_clients import BODY, HEADERS, SlowClients, send_slowly

SLOW_CLIENTS = 85  # more than the server has threads
SHORT = {"REQUEST_HEADER_TIMEOUT_S": "3", "REQUEST_BODY_TIMEOUT_S": "4"}
ANSWER_TIMEOUT_S = 10  # of a busy machine; without deadlines there is no answer for minutes
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module", params=[EMBEDDED, HTTP_TIER], ids=["gunicorn", "granian"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("slow") / "data"
    with serve(folder, request.param, **UNLIMITED, **SHORT) as running:
        yield running


@pytest.fixture(scope="module")
def ana(server: Server) -> Client:
    return server.register("ana")


@pytest.fixture(scope="module")
def gunicorn(server: Server) -> Server:
    if server.command != EMBEDDED:
        pytest.skip("granian reads requests itself")
    return server


def answer_meanwhile(server: Server, ana: Client, golden: GoldenSet, slow: SlowClients) -> None:
    """Send requests until the server has closed all slow connections."""

    def is_over() -> bool:
        answer = requests.get(f"{server.url}/livez", timeout=ANSWER_TIMEOUT_S)
        assert answer.status_code == 200
        files = {"file": ("digit.png", golden.png(0))}
        predict = ana.post(f"{server.url}/api/v2/predict", files=files, timeout=ANSWER_TIMEOUT_S)
        assert predict.status_code == 200
        return slow.are_closed

    wait_until(is_over, "the end of slow connections")


def test_slow_headers_are_cut_off_and_delay_nobody(
    server: Server, ana: Client, golden: GoldenSet
) -> None:
    with SlowClients(server.port, HEADERS, SLOW_CLIENTS) as slow:
        answer_meanwhile(server, ana, golden, slow)
    if server.command == EMBEDDED:  # granian closes the connection without a response
        assert all(each.startswith(b"HTTP/1.1 408 ") for each in slow.responses)


def test_slow_bodies_are_cut_off_and_delay_nobody_and_a_slow_upload_succeeds(
    server: Server, ana: Client, golden: GoldenSet
) -> None:
    image = encode_image(Image.fromarray(golden.digits[3]).resize((310, 310)).convert("RGB"), "BMP")
    head = (
        f"POST /api/v2/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/bmp\r\n"
        f"Authorization: {ana.headers['Authorization']!s}\r\nContent-Length: {len(image)}\r\n\r\n"
    ).encode()
    pieces = [head, *(image[at : at + 12_500] for at in range(0, len(image), 12_500))]
    with (
        ThreadPoolExecutor(1) as pool,
        SlowClients(server.port, BODY, SLOW_CLIENTS) as slow,
    ):
        upload = pool.submit(send_slowly, server.port, pieces, 0.25)  # 50 kB/s, for 6 s
        answer_meanwhile(server, ana, golden, slow)
        assert upload.result().startswith(b"HTTP/1.1 200 ")
    assert len(image) > 280_000
    assert all(each.startswith(b"HTTP/1.1 408 ") for each in slow.responses)
    assert all(b'"status":408' in each.replace(b" ", b"") for each in slow.responses)


def test_requests_sent_together_are_all_answered(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall((LIVEZ + b"\r\n") * 9 + LIVEZ + b"Connection: close\r\n\r\n")
        received = b""
        while data := connection.recv(65_536):
            received += data
    assert received.count(b"HTTP/1.1 200 OK") == 10


def test_a_client_that_waits_for_100_continue_gets_it(
    server: Server, ana: Client, golden: GoldenSet
) -> None:
    head = (
        "POST /api/v2/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        f"Authorization: {ana.headers['Authorization']!s}\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(golden.png(0))}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(golden.png(0))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_connections_that_clients_never_close_delay_nobody(server: Server) -> None:
    connections = []
    for _ in range(40):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=ANSWER_TIMEOUT_S)
        connection.sendall(LIVEZ + b"Connection: close\r\n\r\n")
        connections.append(connection)
    for connection in connections:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert requests.get(f"{server.url}/livez", timeout=ANSWER_TIMEOUT_S).status_code == 200
    for connection in connections:
        connection.close()


def test_health_is_answered_while_clients_that_do_not_read_occupy_every_thread(
    gunicorn: Server,
) -> None:
    connections = []
    script = b"GET /static/vendor/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for _ in range(SLOW_CLIENTS):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(("127.0.0.1", gunicorn.port))
        connection.sendall(script * 10)
        connections.append(connection)
    try:
        with pytest.raises(requests.ReadTimeout):
            wait_until(
                lambda: requests.get(f"{gunicorn.url}/openapi.json", timeout=5).status_code != 200,
                "the last thread to be occupied",
            )
        assert requests.get(f"{gunicorn.url}/livez", timeout=ANSWER_TIMEOUT_S).status_code == 200
    finally:
        for connection in connections:
            connection.close()
    wait_until(
        lambda: requests.get(f"{gunicorn.url}/openapi.json", timeout=60).status_code == 200,
        "free threads",
    )

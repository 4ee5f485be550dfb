"""Clients that send or read slowly, on both servers: they are cut off, and delay nobody."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
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

SLOW_CLIENTS = 100  # more than either server has threads for requests
DEADLINES = {"REQUEST_HEADER_TIMEOUT_S": "8", "REQUEST_BODY_TIMEOUT_S": "8"}
ANSWER_TIMEOUT_S = 60
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module", params=[EMBEDDED, HTTP_TIER], ids=["gunicorn", "granian"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("slow") / "data"
    with serve(folder, request.param, **UNLIMITED, **DEADLINES) as running:
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
    """Send requests until the server has closed all slow connections.

    Fails unless some were answered before it closed the first one.
    """
    answered_meanwhile = 0

    def is_over() -> bool:
        nonlocal answered_meanwhile
        answer = requests.get(f"{server.url}/livez", timeout=ANSWER_TIMEOUT_S)
        assert answer.status_code == 200
        files = {"file": ("digit.png", golden.png(0))}
        predict = ana.post(f"{server.url}/api/v2/predict", files=files, timeout=ANSWER_TIMEOUT_S)
        assert predict.status_code == 200
        answered_meanwhile += not slow.responses
        return slow.are_closed

    wait_until(is_over, "the end of slow connections")
    assert answered_meanwhile


def test_slow_headers_are_cut_off_and_delay_nobody(
    server: Server, ana: Client, golden: GoldenSet
) -> None:
    with SlowClients(server.port, [HEADERS], SLOW_CLIENTS) as slow:
        answer_meanwhile(server, ana, golden, slow)
    if server.command == EMBEDDED:  # granian closes the connection without a response
        assert all(each.startswith(b"HTTP/1.1 408 ") for each in slow.responses)


def test_slow_bodies_are_cut_off_and_delay_nobody_and_a_slow_upload_succeeds(
    server: Server, ana: Client, golden: GoldenSet
) -> None:
    image = bitmap(golden, 310)
    head = head_of_upload(ana, f"Content-Length: {len(image)}")
    upload_head = head_of_upload(ana, "Content-Length: 5000000")
    pieces = [head, *(image[at : at + 12_500] for at in range(0, len(image), 12_500))]
    with (
        ThreadPoolExecutor(1) as pool,
        SlowClients(server.port, [BODY, upload_head], SLOW_CLIENTS) as slow,
    ):
        upload = pool.submit(send_slowly, server.port, pieces, 0.5)  # 25 kB/s, for 12 s
        answer_meanwhile(server, ana, golden, slow)
        assert upload.result().startswith(b"HTTP/1.1 200 ")
    assert len(image) > 280_000
    assert all(each.startswith(b"HTTP/1.1 408 ") for each in slow.responses)
    assert all(b'"status":408' in each.replace(b" ", b"") for each in slow.responses)


def bitmap(golden: GoldenSet, side: int) -> bytes:
    """Return the image of a three with so many pixels a side, 3 bytes each."""
    index = int(np.flatnonzero(golden.labels == 3)[0])
    image = Image.fromarray(golden.digits[index]).resize((side, side)).convert("RGB")
    return encode_image(image, "BMP")


def head_of_upload(ana: Client, fields: str) -> bytes:
    """Return the head of a prediction, with further fields."""
    return (
        "POST /api/v2/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/bmp\r\n"
        f"Authorization: {ana.headers['Authorization']!s}\r\n{fields}\r\n\r\n"
    ).encode()


def respond_to(server: Server, *pieces: bytes) -> bytes:
    """Send pieces; return all that the server responds until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=ANSWER_TIMEOUT_S) as client:
        for piece in pieces:
            client.sendall(piece)
        received = b""
        while data := client.recv(65_536):
            received += data
        return received


def test_requests_sent_together_are_all_answered(server: Server) -> None:
    last = LIVEZ + b"Connection: close\r\n\r\n"
    received = respond_to(server, (LIVEZ + b"\r\n") * 9 + last)
    assert received.count(b"HTTP/1.1 200 OK") == 10


@pytest.mark.parametrize("side", [28, 310])  # held in memory, and in a file
def test_a_chunked_body_is_read_and_the_request_after_it_answered(
    server: Server, ana: Client, golden: GoldenSet, side: int
) -> None:
    image = bitmap(golden, side)
    chunks = [image[at : at + 10_000] for at in range(0, len(image), 10_000)]
    received = respond_to(
        server,
        head_of_upload(ana, "Transfer-Encoding: chunked"),
        *(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks),
        b"0\r\n\r\n" + LIVEZ + b"Connection: close\r\n\r\n",
    )
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert b'"prediccion":3' in received.replace(b" ", b"")


def test_what_follows_a_malformed_chunk_is_no_request(server: Server) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    received = respond_to(server, head + b"x\r\n" + LIVEZ + b"\r\n")
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 4")


def test_a_client_that_waits_for_100_continue_gets_it(
    server: Server, ana: Client, golden: GoldenSet
) -> None:
    length = len(golden.png(0))
    head = head_of_upload(ana, f"Expect: 100-continue\r\nContent-Length: {length}")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head)
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


def test_a_connection_goes_on_after_a_body_that_nobody_read(gunicorn: Server) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n"
    last = LIVEZ + b"Connection: close\r\n\r\n"
    received = respond_to(gunicorn, head + bytes(200_000), last)
    assert received.startswith(b"HTTP/1.1 404 ")
    assert received.count(b"HTTP/1.1 200 OK") == 1


def test_a_thousand_silent_connections_keep_nobody_out(gunicorn: Server) -> None:
    with ExitStack() as stack:
        for _ in range(1_000):
            silent = socket.create_connection(("127.0.0.1", gunicorn.port), ANSWER_TIMEOUT_S)
            stack.enter_context(silent)
        answer = requests.get(f"{gunicorn.url}/livez", timeout=ANSWER_TIMEOUT_S)
        assert answer.status_code == 200
        assert silent.send(LIVEZ + b"Connection: close\r\n\r\n")
        assert silent.recv(65_536).startswith(b"HTTP/1.1 200 ")


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

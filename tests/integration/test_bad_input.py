"""Bad input of every kind except images: a specific 4xx, never a 5xx."""

import socket

import pytest
import requests

from tests.conftest import GoldenSet
from tests.support.server_process import Client, Server

UNKNOWN_ID = "01a20813-1b8c-721f-bcc9-3f9d39ea05c0"


@pytest.fixture(scope="module")
def bea(server: Server) -> Client:
    return server.register("bea")


@pytest.fixture(scope="module")
def admin(server: Server) -> Client:
    return server.admin_client()


@pytest.mark.parametrize("path", ["/login", "/api/v1/predict", "/api/v2/predict/batch"])
@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=b"])
def test_a_malformed_chunk_is_400(server: Server, bea: Client, path: str, kind: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    head += f"Authorization: {bea.headers['Authorization']}\r\nContent-Type: {kind}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode() + b"ZZZ\r\nabc\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/admin/users/10000000000000000000000000"),
        ("GET", "/admin/users?after=10000000000000000000000000"),
        ("GET", "/admin/retrain/10000000000000000000000000"),
        ("GET", "/predictions?limit=10000000000000000000000000"),
    ],
)
def test_an_id_beyond_the_range_of_the_column_is_a_4xx(
    admin: Client, method: str, path: str
) -> None:
    answer = admin.call(method, path, json={"locked": True} if method == "PATCH" else None)
    assert answer.status_code in {400, 404}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "The body is not valid JSON"),
        (b"[1]", "The body must be a JSON object"),
        (b"\xff", "The body is not valid JSON"),
        (b"[" * 3000, "The body is not valid JSON"),
        (b'{"a":' * 1500, "The body is not valid JSON"),
        (b'{"username": 5, "password": "x"}', "username must be text"),
        (
            b'{"username": "a\\u0000b", "password": "x"}',
            "username contains characters that are not valid in text",
        ),
        (
            b'{"username": "\\ud800", "password": "x"}',
            "username contains characters that are not valid in text",
        ),
    ],
)
def test_bad_json_is_400(server: Server, body: bytes, detail: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{server.url}/login", data=body, headers=headers, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["msg"] == detail


def test_a_json_body_over_64_kib_is_413(server: Server) -> None:
    sent = {"username": "x" * 70_000, "password": "y"}
    answer = requests.post(f"{server.url}/login", json=sent, timeout=30)
    assert answer.status_code == 413


def test_a_json_body_over_64_kib_without_a_content_length_is_413(server: Server) -> None:
    chunks = iter([b'{"username": "bea", "password": "password of bea"}', b" " * 70_000])
    answer = requests.post(f"{server.url}/login", data=chunks, timeout=30)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("more", "detail"),
    [
        ({"password": "short"}, "A password has at least 8 characters"),
        ({"password": "x" * 73}, "A password has at most 72 bytes and no zero byte"),
        (
            {"username": " "},
            "A username has 1 to 80 printable characters and no space at either end",
        ),
        ({"email": "nobody"}, "The email address is not valid"),
        ({"username": None}, "Username and password required"),
    ],
)
def test_an_invalid_registration_names_the_rule_that_it_violates(
    server: Server, more: dict[str, str], detail: str
) -> None:
    sent = {"username": "zoe", "password": "long enough"} | more
    answer = requests.post(f"{server.url}/register", json=sent, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["msg"] == detail


def test_a_taken_username_is_409(server: Server, bea: Client) -> None:
    sent = {"username": "bea", "password": "long enough"}
    answer = requests.post(f"{server.url}/register", json=sent, timeout=30)
    assert answer.status_code == 409
    assert answer.json()["msg"] == "That username is taken"


def test_a_login_of_73_bytes_is_401(server: Server, bea: Client) -> None:
    sent = {"username": "bea", "password": "x" * 73}
    assert requests.post(f"{server.url}/login", json=sent, timeout=30).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"prediction": 10, "correct": True}, 400),
        ({"prediction": "seven", "correct": True}, 400),
        ({"prediction": True, "correct": True}, 400),
        ({"prediction": 3.5, "correct": True}, 400),
        ({"prediction": 3, "correct": "perhaps"}, 400),
        ({"prediction": 3, "correct": True, "comment": "x" * 1001}, 400),
        ({"prediction": 3, "correct": True, "digit": 4}, 422),
        ({"prediction_id": "mine", "correct": True}, 400),
        ({"prediction_id": UNKNOWN_ID, "correct": True}, 404),
    ],
)
def test_invalid_feedback_is_rejected(bea: Client, body: dict[str, object], status: int) -> None:
    answer = bea.call("POST", "/feedback", json=body)
    assert answer.status_code == status
    assert answer.json()["msg"]


def test_feedback_that_contradicts_its_prediction_is_rejected(
    bea: Client, golden: GoldenSet
) -> None:
    made = bea.predict("v2", golden.png_of(7)).json()
    reference = {"prediction_id": made["prediction_id"]}
    for fields, status in [
        ({}, 400),
        ({"prediction": 1, "correct": True}, 422),
        ({"correct": True, "digit": 1}, 422),
        ({"not_a_digit": True, "digit": 1}, 422),
        ({"correct": True}, 201),
        ({"digit": 7}, 201),
        ({"correct": False}, 409),
        ({"digit": 1, "replace": True}, 201),
    ]:
        answer = bea.call("POST", "/feedback", json=reference | fields)
        assert answer.status_code == status, (fields, answer.text)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "before=x"])
def test_an_invalid_query_is_400(bea: Client, query: str) -> None:
    assert bea.call("GET", f"/predictions?{query}").status_code == 400


@pytest.mark.parametrize("sent", [{}, {"role": "king"}, {"locked": "perhaps"}])
def test_an_invalid_user_update_is_400(admin: Client, sent: dict[str, str]) -> None:
    assert admin.call("PATCH", "/admin/users/1", json=sent).status_code == 400


@pytest.mark.parametrize("sent", [{"version": "v3"}, {"deploy": "perhaps"}])
def test_an_invalid_retrain_request_is_400(admin: Client, sent: dict[str, str]) -> None:
    assert admin.call("POST", "/admin/retrain", json=sent).status_code == 400

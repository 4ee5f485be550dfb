"""Bad input of every kind: a clear 4xx of its own, never a 5xx, and nothing is stored of it."""

import io
import socket

import numpy as np
import pytest
import requests
from PIL import Image

from app.imaging.pictures import FORMATS
from tests.conftest import Golden
from tests.served import Client, Server

ROUTES = ("v1", "v2", "ab")
MIB = 1024 * 1024
UNKNOWN_ID = "01a20813-1b8c-721f-bcc9-3f9d39ea05c0"


@pytest.fixture(scope="module")
def bea(server: Server) -> Client:
    return server.newcomer("bea")


@pytest.fixture(scope="module")
def admin(server: Server) -> Client:
    return server.admin()


def encoded(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def drawn(plane: np.ndarray, kind: str) -> bytes:
    """A drawing in black on white, large enough for lossy formats to leave it readable."""
    page = Image.fromarray(255 - plane)
    return encoded(page.resize((page.width * 6, page.height * 6)), kind)


def stored(client: Client) -> int:
    return len(client.call("GET", "/predictions?limit=100").json()["predictions"])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("route", ROUTES)
def test_a_digit_is_read_from_every_format(
    server: Server, golden: Golden, route: str, kind: str
) -> None:
    reader = server.newcomer(f"reader of {kind} through {route}")
    answer = reader.predict(route, drawn(golden.digits[0], kind))
    assert answer.status_code == 200, answer.text
    assert answer.json()["prediccion"] == golden.labels[0]


@pytest.mark.parametrize("kind", FORMATS)
def test_blank_double_and_torn_pictures_of_every_format_have_their_own_error(
    bea: Client, golden: Golden, kind: str
) -> None:
    before = stored(bea)
    pair = np.hstack([golden.digits[0], golden.digits[1]])
    whole = encoded(Image.effect_noise((80, 80), 60), kind)
    blank = np.zeros((28, 28), dtype=np.uint8)
    found = {}
    for name, picture in {
        "blank": drawn(blank, kind),
        "double": drawn(pair, kind),
        "torn": whole[: len(whole) // 2],
    }.items():
        answer = bea.predict("v2", picture)
        found[name] = (answer.status_code, answer.json()["title"])
        assert answer.json()["error"]
    assert found == {
        "blank": (422, "No digit"),
        "double": (422, "Several digits"),
        "torn": (415, "Unreadable picture"),
    }
    assert stored(bea) == before


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("picture", "status"),
    [
        (b"no picture at all", 415),
        (b"", 415),
        (bytes(5 * MIB + 1), 413),
        (encoded(Image.new("1", (2000, 2001)), "PNG"), 413),
    ],
    ids=["text", "empty", "over 5 MiB", "over 4 megapixels"],
)
def test_what_is_no_picture_or_too_large(
    bea: Client, route: str, picture: bytes, status: int
) -> None:
    for answer in (
        bea.predict(route, picture),
        bea.call(
            "POST",
            f"/api/{route}/predict",
            data=picture,
            headers={"Content-Type": "image/png"},
        ),
    ):
        assert answer.status_code == status, answer.text
        assert {"error", "type", "title", "status", "detail", "request_id"} <= set(answer.json())


@pytest.mark.parametrize("route", ROUTES)
def test_a_body_of_20_mb_is_413(bea: Client, route: str) -> None:
    answer = bea.predict(route, bytes(20 * 1000 * 1000))
    assert answer.status_code == 413
    assert answer.json()["error"] == "La petición es demasiado grande"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--b\r\nnot multipart", "multipart/form-data; boundary=b"),
        (b"--b\r\n", "multipart/form-data"),
        (b"{}", "application/json"),
        (b"file=x", "application/x-www-form-urlencoded"),
        (b"", ""),
    ],
    ids=["broken", "no boundary", "json", "form", "nothing"],
)
def test_a_body_without_a_file_is_400(bea: Client, body: bytes, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = bea.call("POST", "/api/v2/predict", data=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == "No se encontró el archivo"


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
def test_a_number_that_no_row_can_have_is_a_4xx(admin: Client, method: str, path: str) -> None:
    answer = admin.call(method, path, json={"locked": True} if method == "PATCH" else None)
    assert answer.status_code in {400, 404}


def test_1001_parts_are_413(bea: Client) -> None:
    parts = [("part", (f"{index}", b"x")) for index in range(1001)]
    answer = bea.call("POST", "/api/v2/predict", files=parts)
    assert answer.status_code == 413


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
            "username holds characters that no text has",
        ),
        (b'{"username": "\\ud800", "password": "x"}', "username holds characters that no text has"),
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


def test_a_json_body_over_64_kib_without_a_length_is_413_too(server: Server) -> None:
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
def test_a_registration_that_breaks_a_rule_is_told_which(
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
    ("words", "status"),
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
def test_feedback_that_makes_no_sense(bea: Client, words: dict[str, object], status: int) -> None:
    answer = bea.call("POST", "/feedback", json=words)
    assert answer.status_code == status
    assert answer.json()["msg"]


def test_feedback_on_a_prediction_that_contradicts_it(bea: Client, golden: Golden) -> None:
    made = bea.predict("v2", golden.png_of(7)).json()
    named = {"prediction_id": made["prediction_id"]}
    for words, status in [
        ({}, 400),
        ({"prediction": 1, "correct": True}, 422),
        ({"correct": True, "digit": 1}, 422),
        ({"not_a_digit": True, "digit": 1}, 422),
        ({"correct": True}, 201),
        ({"digit": 7}, 201),
        ({"correct": False}, 409),
        ({"digit": 1, "replace": True}, 201),
    ]:
        answer = bea.call("POST", "/feedback", json=named | words)
        assert answer.status_code == status, (words, answer.text)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "before=x"])
def test_a_query_that_makes_no_sense_is_400(bea: Client, query: str) -> None:
    assert bea.call("GET", f"/predictions?{query}").status_code == 400


@pytest.mark.parametrize("sent", [{}, {"role": "king"}, {"locked": "perhaps"}])
def test_an_amendment_that_makes_no_sense_is_400(admin: Client, sent: dict[str, str]) -> None:
    assert admin.call("PATCH", "/admin/users/1", json=sent).status_code == 400


@pytest.mark.parametrize("sent", [{"version": "v3"}, {"deploy": "perhaps"}])
def test_a_retrain_that_makes_no_sense_is_400(admin: Client, sent: dict[str, str]) -> None:
    assert admin.call("POST", "/admin/retrain", json=sent).status_code == 400


def test_a_batch_has_one_result_or_one_error_for_each_file(bea: Client, golden: Golden) -> None:
    blank = encoded(Image.new("L", (28, 28)), "PNG")
    sent = [golden.png_of(2), b"no picture", golden.png_of(5), blank]
    files = [("file", (f"{index}.png", picture)) for index, picture in enumerate(sent)]
    answer = bea.call("POST", "/api/v2/predict/batch", files=files)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result.get("prediccion", result.get("status")) for result in results] == [
        2,
        415,
        5,
        422,
    ]
    assert results[0]["version"] == "v2"
    assert results[1]["error"] == "No se pudo leer la imagen"


@pytest.mark.parametrize("count", [0, 257])
def test_a_batch_of_none_or_too_many_is_400(bea: Client, count: int) -> None:
    files = [("file", (f"{index}.png", b"x")) for index in range(count)] or [("other", ("a", b"x"))]
    answer = bea.call("POST", "/api/v2/predict/batch", files=files)
    assert answer.status_code == 400

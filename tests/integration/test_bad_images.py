"""Bad pictures of every kind: a clear 4xx of its own, never a 5xx, and nothing is stored of it."""

import numpy as np
import pytest
from PIL import Image

from app.imaging.decoding import FORMATS
from tests.conftest import GoldenSet, encode_image
from tests.support.server_process import Client, Server

ROUTES = ("v1", "v2", "ab")
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def bob(server: Server) -> Client:
    return server.register("bob")


def drawn(plane: np.ndarray, kind: str) -> bytes:
    """A drawing in black on white, large enough for lossy formats to leave it readable."""
    page = Image.fromarray(255 - plane)
    return encode_image(page.resize((page.width * 6, page.height * 6)), kind)


def stored(client: Client) -> int:
    return len(client.call("GET", "/predictions?limit=100").json()["predictions"])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("route", ROUTES)
def test_a_digit_is_read_from_every_format(
    server: Server, golden: GoldenSet, route: str, kind: str
) -> None:
    reader = server.register(f"reader of {kind} through {route}")
    answer = reader.predict(route, drawn(golden.digits[0], kind))
    assert answer.status_code == 200, answer.text
    assert answer.json()["prediccion"] == golden.labels[0]


@pytest.mark.parametrize("kind", FORMATS)
def test_blank_double_and_torn_pictures_of_every_format_have_their_own_error(
    bob: Client, golden: GoldenSet, kind: str
) -> None:
    before = stored(bob)
    pair = np.hstack([golden.digits[0], golden.digits[1]])
    whole = encode_image(Image.effect_noise((80, 80), 60), kind)
    blank = np.zeros((28, 28), dtype=np.uint8)
    found = {}
    for name, picture in {
        "blank": drawn(blank, kind),
        "double": drawn(pair, kind),
        "torn": whole[: len(whole) // 2],
    }.items():
        answer = bob.predict("v2", picture)
        found[name] = (answer.status_code, answer.json()["title"])
        assert answer.json()["error"]
    assert found == {
        "blank": (422, "No digit"),
        "double": (422, "Several digits"),
        "torn": (415, "Unreadable image"),
    }
    assert stored(bob) == before


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("picture", "status"),
    [
        (b"no picture at all", 415),
        (b"", 415),
        (bytes(5 * MIB + 1), 413),
        (encode_image(Image.new("1", (2000, 2001)), "PNG"), 413),
    ],
    ids=["text", "empty", "over 5 MiB", "over 4 megapixels"],
)
def test_what_is_no_picture_or_too_large(
    bob: Client, route: str, picture: bytes, status: int
) -> None:
    for answer in (
        bob.predict(route, picture),
        bob.call(
            "POST",
            f"/api/{route}/predict",
            data=picture,
            headers={"Content-Type": "image/png"},
        ),
    ):
        assert answer.status_code == status, answer.text
        assert {"error", "type", "title", "status", "detail", "request_id"} <= set(answer.json())


@pytest.mark.parametrize("route", ROUTES)
def test_a_body_of_20_mb_is_413(bob: Client, route: str) -> None:
    answer = bob.predict(route, bytes(20 * 1000 * 1000))
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
def test_a_body_without_a_file_is_400(bob: Client, body: bytes, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = bob.call("POST", "/api/v2/predict", data=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == "No se encontró el archivo"


def test_1001_parts_are_413(bob: Client) -> None:
    parts = [("part", (f"{index}", b"x")) for index in range(1001)]
    answer = bob.call("POST", "/api/v2/predict", files=parts)
    assert answer.status_code == 413


def test_a_batch_has_one_result_or_one_error_for_each_file(bob: Client, golden: GoldenSet) -> None:
    blank = encode_image(Image.new("L", (28, 28)), "PNG")
    sent = [golden.png_of(2), b"no picture", golden.png_of(5), blank]
    files = [("file", (f"{index}.png", picture)) for index, picture in enumerate(sent)]
    answer = bob.call("POST", "/api/v2/predict/batch", files=files)
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
def test_a_batch_of_none_or_too_many_is_400(bob: Client, count: int) -> None:
    files = [("file", (f"{index}.png", b"x")) for index in range(count)] or [("other", ("a", b"x"))]
    answer = bob.call("POST", "/api/v2/predict/batch", files=files)
    assert answer.status_code == 400

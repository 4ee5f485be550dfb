"""Bad images of every kind: a specific 4xx, never a 5xx, and nothing is stored."""

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


def drawing(digits: np.ndarray, image_format: str) -> bytes:
    """Return a drawing in black on white, large enough to survive lossy formats."""
    page = Image.fromarray(255 - digits)
    return encode_image(page.resize((page.width * 6, page.height * 6)), image_format)


def count_stored(client: Client) -> int:
    return len(client.call("GET", "/predictions?limit=100").json()["predictions"])


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("route", ROUTES)
def test_a_digit_is_recognized_in_every_format(
    server: Server, golden: GoldenSet, route: str, image_format: str
) -> None:
    user = server.register(f"user of {image_format} through {route}")
    answer = user.predict(route, drawing(golden.digits[0], image_format))
    assert answer.status_code == 200, answer.text
    assert answer.json()["prediccion"] == golden.labels[0]


@pytest.mark.parametrize("image_format", FORMATS)
def test_blank_double_and_truncated_images_have_specific_errors_in_every_format(
    bob: Client, golden: GoldenSet, image_format: str
) -> None:
    before = count_stored(bob)
    pair = np.hstack([golden.digits[0], golden.digits[1]])
    complete = encode_image(Image.effect_noise((80, 80), 60), image_format)
    blank = np.zeros((28, 28), dtype=np.uint8)
    errors = {}
    for name, image in {
        "blank": drawing(blank, image_format),
        "double": drawing(pair, image_format),
        "truncated": complete[: len(complete) // 2],
    }.items():
        answer = bob.predict("v2", image)
        errors[name] = (answer.status_code, answer.json()["title"])
        assert answer.json()["error"]
    assert errors == {
        "blank": (422, "No digit"),
        "double": (422, "Several digits"),
        "truncated": (415, "Unreadable image"),
    }
    assert count_stored(bob) == before


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("image", "status"),
    [
        (b"not an image at all", 415),
        (b"", 415),
        (bytes(15 * MIB + 1), 413),
        (encode_image(Image.new("1", (2000, 2001)), "PNG"), 413),
    ],
    ids=["text", "empty", "over 15 MiB", "over 4 megapixels"],
)
def test_a_body_that_is_not_an_image_or_too_large_is_rejected(
    bob: Client, route: str, image: bytes, status: int
) -> None:
    for answer in (
        bob.predict(route, image),
        bob.call(
            "POST",
            f"/api/{route}/predict",
            data=image,
            headers={"Content-Type": "image/png"},
        ),
    ):
        assert answer.status_code == status, answer.text
        assert {"error", "type", "title", "status", "detail", "request_id"} <= set(answer.json())


def test_a_photograph_of_many_mebibytes_is_read(bob: Client, golden: GoldenSet) -> None:
    page = np.full((1900, 2000, 3), 230, np.float32)
    ink = np.asarray(Image.fromarray(golden.digits[0]).resize((900, 900), Image.Resampling.BICUBIC))
    page[500:1400, 600:1500] -= 0.8 * ink[..., None]
    page += np.random.default_rng(1).normal(0, 6, page.shape)
    photograph = encode_image(Image.fromarray(page.clip(0, 255).astype(np.uint8)), "PNG")
    assert 5 * MIB < len(photograph) < 15 * MIB
    headers = {"Content-Type": "image/png"}
    for answer in (
        bob.predict("v2", photograph),
        bob.call("POST", "/api/v2/predict", data=photograph, headers=headers),
    ):
        assert answer.json()["prediccion"] == golden.labels[0]
        assert "warning" not in answer.json()


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
    sent = [golden.png_of(2), b"not an image", golden.png_of(5), blank]
    files = [("file", (f"{index}.png", image)) for index, image in enumerate(sent)]
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

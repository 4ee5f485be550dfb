"""Bytes to a gray plane: formats, modes, orientation, limits, hostile files."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.domain.errors import ImageError, ImageTooLarge, UnreadableImage
from app.imaging.decoding import FORMATS, MAX_IMAGE_BYTES, decode, encode_png
from tests.conftest import encode_image


def gradient(mode: str = "L") -> Image.Image:
    """Dark at the left, light at the right, 40 wide and 20 high."""
    row = np.linspace(0, 255, 40).astype(np.uint8)
    return Image.fromarray(np.tile(row, (20, 1))).convert(mode)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_decoded_to_the_same_grays(kind: str) -> None:
    plane = decode(encode_image(gradient(), kind))
    assert plane.shape == (20, 40)
    assert plane.dtype == np.float32
    assert np.abs(plane - np.linspace(0, 1, 40)).max() < 0.05


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16", "I"])
def test_every_mode_of_png_is_decoded(mode: str) -> None:
    if mode.startswith("I"):
        wide = np.tile(np.linspace(0, 65_535, 40), (20, 1))
        image = Image.fromarray(wide.astype(np.uint16 if mode == "I;16" else np.int32))
        kind = "PNG" if mode == "I;16" else "TIFF"
    else:
        image, kind = gradient(mode), "PNG"
    plane = decode(encode_image(image, kind))
    assert plane[:, :10].mean() < 0.2
    assert plane[:, -10:].mean() > 0.8


@pytest.mark.parametrize("mode", ["CMYK", "F", "YCbCr"])
def test_modes_that_only_other_formats_have_are_decoded(mode: str) -> None:
    image = gradient("RGB").convert("RGB" if mode == "F" else mode)
    if mode == "F":
        image = Image.fromarray(np.asarray(gradient(), dtype=np.float32) * 7 - 3)
    plane = decode(encode_image(image, "JPEG" if mode == "YCbCr" else "TIFF"))
    assert plane[:, :10].mean() < 0.2
    assert plane[:, -10:].mean() > 0.8


@pytest.mark.parametrize("most", [255, 4095, 65_535])
def test_a_16_bit_image_is_as_light_as_the_bits_that_it_uses(most: int) -> None:
    wide = np.tile(np.linspace(0, most, 40), (20, 1)).astype(np.uint16)
    assert decode(encode_image(Image.fromarray(wide))).max() == 1


def test_a_float_image_of_the_widest_range_is_decoded() -> None:
    wide = np.array([[-3e38, 3e38]], dtype=np.float32)
    assert decode(encode_image(Image.fromarray(wide), "TIFF")).tolist() == [[0, 1]]


def test_a_lab_image_is_decoded() -> None:
    lab = Image.merge("LAB", [gradient(), Image.new("L", (40, 20), 0), Image.new("L", (40, 20), 0)])
    plane = decode(encode_image(lab, "TIFF"))
    assert plane[:, :10].mean() < 0.2
    assert plane[:, -10:].mean() > 0.8


def test_exif_orientation_is_honoured() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    plane = decode(encode_image(gradient(), "JPEG", exif=exif))
    assert plane.shape == (40, 20)
    assert plane[0].mean() < 0.1
    assert plane[-1].mean() > 0.9


@pytest.mark.parametrize(("ink", "ground"), [(0, 1.0), (255, 0.0)])
def test_transparent_images_get_the_ground_that_their_ink_stands_out_from(
    ink: int, ground: float
) -> None:
    image = np.zeros((20, 20, 4), dtype=np.uint8)
    image[5:15, 8:12] = (ink, ink, ink, 255)
    plane = decode(encode_image(Image.fromarray(image)))
    assert plane[0, 0] == ground
    assert plane[10, 10] == ink / 255


def test_the_first_frame_of_a_gif_counts() -> None:
    frames = [Image.new("L", (8, 8), 255), Image.new("L", (8, 8), 0)]
    file = encode_image(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(file).min() == 1


def test_a_file_over_5_mib_is_too_large() -> None:
    with pytest.raises(ImageTooLarge):
        decode(bytes(MAX_IMAGE_BYTES + 1))


def test_4_megapixels_are_read_and_one_row_more_is_too_large() -> None:
    assert decode(encode_image(Image.new("1", (2000, 2000)))).shape == (2000, 2000)
    with pytest.raises(ImageTooLarge):
        decode(encode_image(Image.new("1", (2000, 2001))))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_bombs_are_refused_before_a_pixel_is_decoded(kind: str) -> None:
    bomb = (
        png_header(60_000) if kind == "PNG" else encode_image(Image.new("L", (4_000, 1_001)), kind)
    )
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLarge):
            decode(bomb)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2 * len(bomb) + 1_000_000


def png_header(side: int) -> bytes:
    """A PNG that announces side x side pixels and holds next to none."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_a_torn_file_of_every_format_is_unreadable(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (60, 60), dtype=np.uint8))
    whole = encode_image(noise, kind)
    with pytest.raises(UnreadableImage):
        decode(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"hello",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x89PNG\r\n\x1a\n",
        encode_image(gradient(), "ICO", sizes=[(16, 16)]),
        encode_image(gradient(), "PPM"),
    ],
)
def test_what_is_not_a_image_of_our_formats_is_unreadable(file: bytes) -> None:
    with pytest.raises(UnreadableImage):
        decode(file)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # it warns of tags that it skips
@pytest.mark.parametrize("kind", FORMATS)
def test_no_damage_to_a_file_gets_past_our_errors(kind: str) -> None:
    whole = encode_image(gradient(), kind)
    rng = np.random.default_rng(7)
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 4):
            damaged[place] = rng.integers(0, 256)
        try:
            plane = decode(bytes(damaged))
        except ImageError:
            continue
        assert np.isfinite(plane).all()
        assert plane.ndim == 2


@given(st.binary(max_size=200))
def test_no_bytes_get_past_our_errors(file: bytes) -> None:
    with pytest.raises(ImageError):
        decode(file)


def test_a_digit_encoded_as_png_is_decoded_to_itself() -> None:
    digit = np.arange(784, dtype=np.uint64).reshape(28, 28).astype(np.uint8)
    assert np.array_equal(np.rint(decode(encode_png(digit)) * 255), digit)

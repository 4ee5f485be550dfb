"""Decoding bytes to colors: formats, modes, orientation, limits, hostile files."""

import struct
import tracemalloc
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.domain.errors import ImageError, ImageTooLarge, UnreadableImage
from app.imaging.decoding import FORMATS, MAX_IMAGE_BYTES, decode, encode_png
from app.imaging.page import GrayImage
from config import ROOT
from tests.conftest import encode_image


def gradient(mode: str = "L") -> Image.Image:
    """Return a gradient from dark at the left to light at the right, 40 pixels and 20 high."""
    row = np.linspace(0, 255, 40).astype(np.uint8)
    return Image.fromarray(np.tile(row, (20, 1))).convert(mode)


def decode_gray(image_bytes: bytes) -> GrayImage:
    """Decode an image without colors to values in 0..1."""
    page = decode(image_bytes)
    assert page.dtype == np.uint8
    assert np.ptp(page, axis=2).max() <= 2
    return page[..., 0] / np.float32(255)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_decoded_to_the_same_grays(kind: str) -> None:
    gray = decode_gray(encode_image(gradient(), kind))
    assert gray.shape == (20, 40)
    assert np.abs(gray - np.linspace(0, 1, 40)).max() < 0.05


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16", "I"])
def test_every_png_mode_is_decoded(mode: str) -> None:
    if mode.startswith("I"):
        pixels = np.tile(np.linspace(0, 65_535, 40), (20, 1))
        image = Image.fromarray(pixels.astype(np.uint16 if mode == "I;16" else np.int32))
        kind = "PNG" if mode == "I;16" else "TIFF"
    else:
        image, kind = gradient(mode), "PNG"
    gray = decode_gray(encode_image(image, kind))
    assert gray[:, :10].mean() < 0.2
    assert gray[:, -10:].mean() > 0.8


@pytest.mark.parametrize("mode", ["CMYK", "F", "YCbCr"])
def test_modes_of_other_formats_are_decoded(mode: str) -> None:
    image = gradient("RGB").convert("RGB" if mode == "F" else mode)
    if mode == "F":
        image = Image.fromarray(np.asarray(gradient(), dtype=np.float32) * 7 - 3)
    gray = decode_gray(encode_image(image, "JPEG" if mode == "YCbCr" else "TIFF"))
    assert gray[:, :10].mean() < 0.2
    assert gray[:, -10:].mean() > 0.8


@pytest.mark.parametrize("most", [255, 4095, 65_535])
def test_16_bit_image_is_scaled_by_its_used_bits(most: int) -> None:
    pixels = np.tile(np.linspace(0, most, 40), (20, 1)).astype(np.uint16)
    assert decode_gray(encode_image(Image.fromarray(pixels))).max() == 1


def test_float_image_of_the_widest_range_is_decoded() -> None:
    pixels = np.array([[-3e38, 3e38]], dtype=np.float32)
    assert decode_gray(encode_image(Image.fromarray(pixels), "TIFF")).tolist() == [[0, 1]]


def test_lab_image_is_decoded() -> None:
    lab = Image.merge("LAB", [gradient(), Image.new("L", (40, 20), 0), Image.new("L", (40, 20), 0)])
    gray = decode_gray(encode_image(lab, "TIFF"))
    assert gray[:, :10].mean() < 0.2
    assert gray[:, -10:].mean() > 0.8


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    gray = decode_gray(encode_image(gradient(), "JPEG", exif=exif))
    assert gray.shape == (40, 20)
    assert gray[0].mean() < 0.1
    assert gray[-1].mean() > 0.9


@pytest.mark.parametrize(("ink", "background"), [(0, 1.0), (255, 0.0)])
def test_transparent_image_gets_a_background_that_contrasts_with_its_ink(
    ink: int, background: float
) -> None:
    image = np.zeros((20, 20, 4), dtype=np.uint8)
    image[5:15, 8:12] = (ink, ink, ink, 255)
    gray = decode_gray(encode_image(Image.fromarray(image)))
    assert gray[0, 0] == background
    assert gray[10, 10] == np.float32(ink / 255)


def test_first_frame_of_a_gif_is_used() -> None:
    frames = [Image.new("L", (8, 8), 255), Image.new("L", (8, 8), 0)]
    file = encode_image(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_gray(file).min() == 1


def test_file_over_15_mib_is_too_large() -> None:
    with pytest.raises(ImageTooLarge):
        decode(bytes(MAX_IMAGE_BYTES + 1))


def test_4_megapixels_are_decoded_and_one_more_row_is_too_large() -> None:
    assert decode(encode_image(Image.new("1", (2000, 2000)))).shape == (1024, 1024, 3)
    with pytest.raises(ImageTooLarge):
        decode(encode_image(Image.new("1", (2000, 2001))))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_decompression_bombs_are_rejected_before_a_pixel_is_decoded(kind: str) -> None:
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
    """Return a PNG that declares side x side pixels and contains almost none."""

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
def test_truncated_file_of_every_format_is_unreadable(kind: str) -> None:
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
def test_unsupported_formats_are_unreadable(file: bytes) -> None:
    with pytest.raises(UnreadableImage):
        decode(file)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # it warns of tags that it skips
@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_raise_only_image_errors(kind: str) -> None:
    whole = encode_image(gradient(), kind)
    rng = np.random.default_rng(7)
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 4):
            damaged[place] = rng.integers(0, 256)
        try:
            page = decode(bytes(damaged))
        except ImageError:
            continue
        assert (page.shape[2:], page.dtype) == ((3,), np.uint8)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_only_image_errors(file: bytes) -> None:
    with pytest.raises(ImageError):
        decode(file)


def test_digit_encoded_as_png_is_decoded_to_itself() -> None:
    digit = np.arange(784, dtype=np.uint64).reshape(28, 28).astype(np.uint8)
    assert np.array_equal(decode(encode_png(digit))[..., 0], digit)


@pytest.mark.parametrize("kind", FORMATS)
def test_colors_are_kept(kind: str) -> None:
    colors = np.zeros((20, 40, 3), np.uint8)
    colors[:, :16], colors[:, 16:] = (210, 40, 40), (30, 116, 30)
    page = decode(encode_image(Image.fromarray(colors), kind)).astype(int)
    assert np.abs(page - colors)[:, [4, 30]].max() < 20


@pytest.mark.parametrize(("size", "shape"), [((1600, 1200), (768, 1024)), ((9, 2048), (1024, 4))])
def test_large_images_are_shrunk(size: tuple[int, int], shape: tuple[int, int]) -> None:
    assert decode(encode_image(Image.new("RGB", size, "red"))).shape == (*shape, 3)


def test_photographs_of_phones_are_decoded_at_a_reduced_size() -> None:
    for options in ({}, {"progressive": True}):
        file = encode_image(Image.new("RGB", (5_600, 4_200), (9, 99, 200)), "JPEG", **options)
        page = decode(file)
        assert page.shape == (768, 1024, 3)
        assert np.abs(page.astype(int) - (9, 99, 200)).max() <= 3


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ((8_200, 6_200), {}, "8200 x 6200 pixels; a JPEG may have at most 50 million"),
        ((5_000, 5_000), {"progressive": True}, "a progressive JPEG may have at most 24 million"),
        ((4_400, 4_400), {"progressive": True, "subsampling": 0}, "colors in full resolution"),
    ],
)
def test_larger_jpegs_are_rejected_with_their_limit(
    size: tuple[int, int], options: dict[str, object], message: str
) -> None:
    file = encode_image(Image.new("RGB", size), "JPEG", **options)
    with pytest.raises(ImageTooLarge, match=message):
        decode(file)


def test_heic_is_decoded_upright_and_damaged_files_raise_only_image_errors() -> None:
    whole = (ROOT / "tests" / "support" / "files" / "digit.heic").read_bytes()
    assert decode(whole).shape == (300, 400, 3)
    rng = np.random.default_rng(7)
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 4):
            damaged[place] = rng.integers(0, 256)
        with suppress(ImageError):
            decode(bytes(damaged))

"""The fast PNG decoder returns what Pillow returns, or None."""

import io
import struct
import zlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.imaging import fast_png
from app.imaging.decoding import encode_png
from tests.conftest import GoldenSet, encode_image

MAX_PIXELS = 4_096


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(width: int, height: int, deflated: bytes, kind: bytes = b"\x08\0\0\0\0") -> bytes:
    header = struct.pack(">II", width, height) + kind
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", deflated)
        + chunk(b"IEND", b"")
    )


def by_pillow(file: bytes) -> np.ndarray | None:
    try:
        with Image.open(io.BytesIO(file), formats=["PNG"]) as image:
            image.load()
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError):
        return None


def agrees(file: bytes) -> bool:
    """Return whether the file is left to Pillow, or decoded as Pillow decodes it."""
    ours, pillows = fast_png.decode(file, MAX_PIXELS), by_pillow(file)
    return ours is None or (pillows is not None and bool(np.array_equal(ours, pillows)))


def test_digits_are_decoded_unchanged(golden: GoldenSet) -> None:
    for digit in golden.digits[:500]:
        decoded = fast_png.decode(encode_png(digit), MAX_PIXELS)
        assert decoded is not None
        assert np.array_equal(decoded, digit)


def test_other_png_files_are_left_to_pillow(golden: GoldenSet) -> None:
    gray = Image.fromarray(golden.digits[0])
    tagged = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    gray.save(tagged, "PNG", exif=exif)
    others = [encode_image(gray.convert(mode)) for mode in ("1", "P", "LA", "RGB", "RGBA", "I;16")]
    for file in [*others, tagged.getvalue(), encode_image(gray, "JPEG"), b"", b"\x89PNG\r\n\x1a\n"]:
        assert fast_png.decode(file, MAX_PIXELS) is None
    assert fast_png.decode(encode_image(gray.resize((65, 64))), MAX_PIXELS) is None
    assert fast_png.decode(encode_image(gray) + b"\0", MAX_PIXELS) is None


def test_truncated_or_changed_file_is_left_to_pillow(golden: GoldenSet) -> None:
    whole = golden.png(0)
    assert all(fast_png.decode(whole[:end], MAX_PIXELS) is None for end in range(len(whole)))
    for at in range(len(whole)):
        changed = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        assert fast_png.decode(changed, MAX_PIXELS) is None


def test_stream_of_another_length_is_left_to_pillow() -> None:
    rows = bytes(28 * 29)
    for content in (rows[:-1], rows + b"\0", b""):
        assert fast_png.decode(png(28, 28, zlib.compress(content)), MAX_PIXELS) is None
    deflated = zlib.compress(rows)
    for stream in (deflated[:-1], deflated + b"\0", deflated[:-4] + b"\0\0\0\0", b"no stream"):
        assert fast_png.decode(png(28, 28, stream), MAX_PIXELS) is None


@given(st.integers(1, 9), st.integers(1, 9), st.data())
@settings(max_examples=300, deadline=None)
def test_any_rows_with_valid_checksums_are_decoded_as_by_pillow(
    width: int, height: int, data: st.DataObject
) -> None:
    size = height * (width + 1)
    rows = bytearray(data.draw(st.binary(min_size=size, max_size=size)))
    for start in range(0, size, width + 1):
        rows[start] = data.draw(st.integers(0, 5))
    assert agrees(png(width, height, zlib.compress(bytes(rows))))

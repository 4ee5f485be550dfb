"""The short way to decode the plainest PNG files gives what Pillow gives, or nothing."""

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

MOST = 4_096


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
    """Whether it is left to Pillow, or decoded as Pillow decodes it."""
    ours, pillows = fast_png.decode(file, MOST), by_pillow(file)
    return ours is None or (pillows is not None and bool(np.array_equal(ours, pillows)))


def test_digits_are_decoded_as_they_were(golden: GoldenSet) -> None:
    for digit in golden.digits[:500]:
        decoded = fast_png.decode(encode_png(digit), MOST)
        assert decoded is not None
        assert np.array_equal(decoded, digit)


def test_what_is_not_plain_is_left_to_pillow(golden: GoldenSet) -> None:
    gray = Image.fromarray(golden.digits[0])
    tagged = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    gray.save(tagged, "PNG", exif=exif)
    others = [encode_image(gray.convert(mode)) for mode in ("1", "P", "LA", "RGB", "RGBA", "I;16")]
    for file in [*others, tagged.getvalue(), encode_image(gray, "JPEG"), b"", b"\x89PNG\r\n\x1a\n"]:
        assert fast_png.decode(file, MOST) is None
    assert fast_png.decode(encode_image(gray.resize((65, 64))), MOST) is None
    assert fast_png.decode(encode_image(gray) + b"\0", MOST) is None


def test_a_torn_or_changed_file_is_left_to_pillow(golden: GoldenSet) -> None:
    whole = golden.png(0)
    assert all(fast_png.decode(whole[:end], MOST) is None for end in range(len(whole)))
    for at in range(len(whole)):
        changed = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        assert fast_png.decode(changed, MOST) is None


def test_a_stream_of_another_length_is_left_to_pillow() -> None:
    rows = bytes(28 * 29)
    for content in (rows[:-1], rows + b"\0", b""):
        assert fast_png.decode(png(28, 28, zlib.compress(content)), MOST) is None
    deflated = zlib.compress(rows)
    for stream in (deflated[:-1], deflated + b"\0", deflated[:-4] + b"\0\0\0\0", b"no stream"):
        assert fast_png.decode(png(28, 28, stream), MOST) is None


@given(st.integers(1, 9), st.integers(1, 9), st.data())
@settings(max_examples=300, deadline=None)
def test_any_rows_under_right_checksums_come_out_as_pillow_has_them(
    width: int, height: int, data: st.DataObject
) -> None:
    size = height * (width + 1)
    rows = bytearray(data.draw(st.binary(min_size=size, max_size=size)))
    for start in range(0, size, width + 1):
        rows[start] = data.draw(st.integers(0, 5))
    assert agrees(png(width, height, zlib.compress(bytes(rows))))

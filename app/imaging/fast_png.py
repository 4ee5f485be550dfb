"""A decoder for the simplest PNG files: 8-bit gray, three chunks, complete.

It takes half of Pillow's time. Whatever it decodes, Pillow decodes to the same bytes (see
tests/imaging/test_fast_png.py); everything else is left to Pillow.
"""

import struct
import zlib
from binascii import crc32

import cv2
import numpy as np

from app.domain.predictions import DigitImage

_SIGNATURE_AND_IHDR = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_GRAY_8_BIT = b"\x08\0\0\0\0"  # 8-bit gray, deflate, filtered by row, not interlaced
_IEND = b"\0\0\0\0IEND\xaeB`\x82"
_IHDR_END, _IDAT_START = (
    33,
    41,
)  # bytes from the start: where IHDR is over, where the content of IDAT is


def decode(image_bytes: bytes, max_pixels: int) -> DigitImage | None:
    """Decode an image of at most max_pixels to uint8 (height, width); None if not a simple PNG."""
    if not image_bytes.startswith(_SIGNATURE_AND_IHDR) or image_bytes[24:29] != _GRAY_8_BIT:
        return None
    width, height = struct.unpack_from(">II", image_bytes, 16)
    size, end = (
        struct.unpack_from(">I", image_bytes.ljust(_IDAT_START), _IHDR_END)[0],
        len(image_bytes),
    )
    has_three_chunks = image_bytes[37:_IDAT_START] == b"IDAT" and image_bytes.endswith(_IEND)
    if (
        not 0 < width * height <= max_pixels
        or not has_three_chunks
        or _IDAT_START + size + 16 != end
    ):
        return None
    is_header_valid = _has_valid_crc(image_bytes, 12, 29)
    if not is_header_valid or not _has_valid_crc(image_bytes, 37, _IDAT_START + size):
        return None
    return _decode_pixels(
        image_bytes, image_bytes[_IDAT_START : _IDAT_START + size], (height, width)
    )


def _has_valid_crc(image_bytes: bytes, start: int, end: int) -> bool:
    """Return whether the CRC that follows a chunk is correct."""
    return bool(crc32(image_bytes[start:end]) == struct.unpack_from(">I", image_bytes, end)[0])


def _decode_pixels(
    image_bytes: bytes, deflated: bytes, shape: tuple[int, int]
) -> DigitImage | None:
    """Check the stream's length, then decode; OpenCV accepts streams of a wrong length."""
    expected = shape[0] * (shape[1] + 1)
    stream = zlib.decompressobj()
    try:
        rows = stream.decompress(deflated, expected + 1)
    except zlib.error:
        return None
    if (
        len(rows) != expected
        or not stream.eof
        or stream.unused_data
        or max(rows[:: shape[1] + 1]) > 4
    ):
        return None
    decoded = cv2.imdecode(np.frombuffer(image_bytes, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.shape != shape:
        return None
    return np.asarray(decoded, dtype=np.uint8)

"""Decoding of untrusted image files to gray values; normalization.py finds the digit in them."""

import io
import struct
import warnings
import zlib

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from app.domain.errors import ImageTooLarge, UnreadableImage
from app.domain.predictions import DigitImage
from app.imaging import fast_png

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MAX_IMAGE_BYTES = 5 * 1024 * 1024
MAX_IMAGE_PIXELS = 4_000_000

_GRAY_LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)
_SMALL_LIMIT = 4_096  # bytes, and pixels

# What Pillow's decoders raise for truncated or hostile files, found by feeding them such files.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)

# A decompression bomb's header is rejected like any image that is too large.
warnings.simplefilter("error", Image.DecompressionBombWarning)

GrayImage = npt.NDArray[np.float32]


def decode(image_bytes: bytes) -> GrayImage:
    """Decode an image to gray values in 0..1, shape (height, width), upright and without alpha.

    Raises ImageTooLarge above 5 MiB or 4 million pixels, before any pixel is decoded, and
    UnreadableImage for anything that is not a complete PNG, JPEG, WebP, BMP, GIF or TIFF.
    """
    if len(image_bytes) > MAX_IMAGE_BYTES:
        raise ImageTooLarge("The image is larger than 5 MiB")
    small = fast_png.decode(image_bytes, _SMALL_LIMIT)
    if small is not None:
        return np.asarray(cv2.LUT(small, _GRAY_LEVELS), dtype=np.float32)
    image = _open(image_bytes)
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise ImageTooLarge("The image has more than 4 million pixels")
    try:
        image.load()
        if image.info or image.format != "PNG":  # a PNG without tags has no orientation
            ImageOps.exif_transpose(image, in_place=True)
        return _to_gray(image)
    except _DECODER_ERRORS as error:
        raise UnreadableImage("The image is damaged and cannot be decoded") from error


def is_small_png(image_bytes: bytes) -> bool:
    """Return whether the header declares a PNG of at most 4,096 bytes and pixels."""
    if not image_bytes.startswith(b"\x89PNG\r\n\x1a\n") or len(image_bytes) > _SMALL_LIMIT:
        return False
    width, height = struct.unpack_from(">II", image_bytes.ljust(24, b"\xff"), 16)
    return bool(width * height <= _SMALL_LIMIT)


def encode_png(digit: DigitImage) -> bytes:
    """Encode a digit image uint8 (28, 28) as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(digit).save(file, "PNG")
    return file.getvalue()


def _open(image_bytes: bytes) -> Image.Image:
    """Read the header only; pixels are decoded on first access."""
    try:
        return Image.open(io.BytesIO(image_bytes), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge("The image has more than 4 million pixels") from error
    except _DECODER_ERRORS as error:
        raise UnreadableImage(
            "The file is not a PNG, JPEG, WebP, BMP, GIF or TIFF image"
        ) from error


def _to_gray(image: Image.Image) -> GrayImage:
    if image.has_transparency_data:
        return _flatten_alpha(image.convert("RGBA"))
    if image.mode.startswith("I;16"):
        return _scale_by_depth(np.asarray(image))
    if image.mode in ("I", "F"):
        return _stretch_range(np.asarray(image, dtype=np.float64))
    if image.mode == "LAB":
        image = image.getchannel("L")
    gray = image if image.mode == "L" else image.convert("L")
    return np.asarray(gray, dtype=np.float32) / np.float32(255)


def _flatten_alpha(image: Image.Image) -> GrayImage:
    """Blend a transparent image with the background that contrasts with its visible part."""
    alpha = np.asarray(image.getchannel("A"), dtype=np.float32) / np.float32(255)
    gray = np.asarray(image.convert("RGB").convert("L"), dtype=np.float32) / np.float32(255)
    visible = float(alpha.sum())
    is_dark = visible > 0 and float((alpha * gray).sum()) / visible < 0.5
    background = np.float32(1.0 if is_dark else 0.0)
    flat: GrayImage = gray * alpha + background * (np.float32(1) - alpha)
    return flat


def _scale_by_depth(values: npt.NDArray[np.uint16]) -> GrayImage:
    """Scale 16-bit values to 0..1 by the number of bits that are used."""
    depth_bits = max(8, int(values.max()).bit_length())
    return np.asarray(values / (2**depth_bits - 1), dtype=np.float32)


def _stretch_range(gray: npt.NDArray[np.float64]) -> GrayImage:
    """Scale 32-bit and float values to 0..1 by their own range; a constant image becomes 0.

    Raises ValueError if a value is not finite.
    """
    low, high = float(gray.min()), float(gray.max())
    if not np.isfinite(high - low):
        raise ValueError("gray values are not finite")
    if high == low:
        return np.zeros(gray.shape, dtype=np.float32)
    return np.asarray((gray - low) / (high - low), dtype=np.float32)

"""Untrusted bytes to one plane of grey values; what is drawn on it is for digits.py to find."""

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

# What Pillow's decoders raise on torn or hostile files, seen by feeding them such files.
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

# A header that announces a bomb is refused like any picture that is too large.
warnings.simplefilter("error", Image.DecompressionBombWarning)

GrayImage = npt.NDArray[np.float32]


def decode(image_bytes: bytes) -> GrayImage:
    """Decode a picture to grey values in 0..1, shape (height, width), upright and without alpha.

    Raises PictureTooLarge above 5 MiB or 4 million pixels, before a pixel is decoded, and
    UnreadablePicture for anything that is not a whole PNG, JPEG, WebP, BMP, GIF or TIFF.
    """
    if len(image_bytes) > MAX_IMAGE_BYTES:
        raise ImageTooLarge("The picture is larger than 5 MiB")
    plain = fast_png.decode(image_bytes, _SMALL_LIMIT)
    if plain is not None:
        return np.asarray(cv2.LUT(plain, _GRAY_LEVELS), dtype=np.float32)
    picture = _open(image_bytes)
    if picture.width * picture.height > MAX_IMAGE_PIXELS:
        raise ImageTooLarge("The picture has more than 4 million pixels")
    try:
        picture.load()
        if picture.info or picture.format != "PNG":  # a PNG without tags is never turned
            ImageOps.exif_transpose(picture, in_place=True)
        return _to_gray(picture)
    except _DECODER_ERRORS as error:
        raise UnreadableImage("The picture is damaged and cannot be decoded") from error


def is_small_png(image_bytes: bytes) -> bool:
    """Whether a file says that it is a PNG picture of no more than 4,096 pixels."""
    if not image_bytes.startswith(b"\x89PNG\r\n\x1a\n") or len(image_bytes) > _SMALL_LIMIT:
        return False
    width, height = struct.unpack_from(">II", image_bytes.ljust(24, b"\xff"), 16)
    return bool(width * height <= _SMALL_LIMIT)


def encode_png(digit: DigitImage) -> bytes:
    """Encode a digit uint8 (28, 28) as a PNG file, as the models see it."""
    file = io.BytesIO()
    Image.fromarray(digit).save(file, "PNG")
    return file.getvalue()


def _open(image_bytes: bytes) -> Image.Image:
    """Read the header alone; the pixels are decoded when first asked for."""
    try:
        return Image.open(io.BytesIO(image_bytes), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge("The picture has more than 4 million pixels") from error
    except _DECODER_ERRORS as error:
        raise UnreadableImage(
            "The file is not a PNG, JPEG, WebP, BMP, GIF or TIFF picture"
        ) from error


def _to_gray(picture: Image.Image) -> GrayImage:
    if picture.has_transparency_data:
        return _flatten_alpha(picture.convert("RGBA"))
    if picture.mode.startswith("I;16"):
        return _scale_by_depth(np.asarray(picture))
    if picture.mode in ("I", "F"):
        return _stretch_range(np.asarray(picture, dtype=np.float64))
    if picture.mode == "LAB":
        picture = picture.getchannel("L")
    grey = picture if picture.mode == "L" else picture.convert("L")
    return np.asarray(grey, dtype=np.float32) / np.float32(255)


def _flatten_alpha(picture: Image.Image) -> GrayImage:
    """Lay a transparent picture on the background that its visible part stands out from."""
    alpha = np.asarray(picture.getchannel("A"), dtype=np.float32) / np.float32(255)
    grey = np.asarray(picture.convert("RGB").convert("L"), dtype=np.float32) / np.float32(255)
    visible = float(alpha.sum())
    is_dark = visible > 0 and float((alpha * grey).sum()) / visible < 0.5
    background = np.float32(1.0 if is_dark else 0.0)
    flat: GrayImage = grey * alpha + background * (np.float32(1) - alpha)
    return flat


def _scale_by_depth(values: npt.NDArray[np.uint16]) -> GrayImage:
    """Bring 16-bit values to 0..1; a scan with fewer bits in 16 is as light as one with all."""
    depth_bits = max(8, int(values.max()).bit_length())
    return np.asarray(values / (2**depth_bits - 1), dtype=np.float32)


def _stretch_range(plane: npt.NDArray[np.float64]) -> GrayImage:
    """Bring 32-bit and float planes to 0..1 by their own range; a flat one becomes 0.

    Raises ValueError where a value is not finite.
    """
    low, high = float(plane.min()), float(plane.max())
    if not np.isfinite(high - low):
        raise ValueError("grey values that are not finite")
    if high == low:
        return np.zeros(plane.shape, dtype=np.float32)
    return np.asarray((plane - low) / (high - low), dtype=np.float32)

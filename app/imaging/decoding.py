"""Decoding of untrusted image files to gray values; normalization.py finds the digit in them."""

import io
import struct
import warnings
import zlib

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from app.domain.errors import ImageTooLarge, UnreadableImage
from app.domain.predictions import IMAGE_SIZE, DigitImage
from app.imaging import fast_png

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MAX_IMAGE_BYTES = 5 * 1024 * 1024
MAX_IMAGE_PIXELS = 4_000_000

_GRAY_LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)
_SMALL_LIMIT = 4_096  # bytes, and pixels
_WORKING_SIDE = 256  # pixels; larger images are shrunk to this
_START_OF_SCAN, _MAX_JPEG_SCANS = b"\xff\xda", 100
TOO_MANY_BYTES = "The image is larger than 5 MiB"
_DAMAGED = "The image is damaged and cannot be decoded"

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
        raise ImageTooLarge(TOO_MANY_BYTES)
    small = fast_png.decode(image_bytes, _SMALL_LIMIT)
    if small is not None:
        return np.asarray(cv2.LUT(small, _GRAY_LEVELS), dtype=np.float32)
    image = _open(image_bytes)
    _check_announced_sizes(image, image_bytes)
    try:
        image.load()
        if image.info or image.format != "PNG":  # a PNG without tags has no orientation
            ImageOps.exif_transpose(image, in_place=True)
        return _to_gray(image)
    except _DECODER_ERRORS as error:
        raise UnreadableImage(_DAMAGED) from error


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


def resize_to_working_size(gray: GrayImage) -> GrayImage:
    """Shrink a large image or enlarge a tiny one: the longer side ends between 28 and 256."""
    longer = max(gray.shape)
    if IMAGE_SIZE <= longer <= _WORKING_SIDE:
        return gray
    scale = (_WORKING_SIDE if longer > _WORKING_SIDE else IMAGE_SIZE) / longer
    return resize(gray, scale)


def resize(gray: GrayImage, scale: float) -> GrayImage:
    """Resize an image by a factor, averaging when it becomes smaller."""
    height, width = (max(1, round(side * scale)) for side in gray.shape)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, (width, height), interpolation=method), dtype=np.float32)


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


def _check_announced_sizes(image: Image.Image, image_bytes: bytes) -> None:
    """Reject what would cost a decoder more than the image's own size. Raises ImageTooLarge.

    A decoder allocates by the tile or strip that a TIFF announces, and decodes a JPEG once for each
    scan, of which a photograph has about ten.
    """
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise ImageTooLarge("The image has more than 4 million pixels")
    if image.format == "JPEG" and image_bytes.count(_START_OF_SCAN) > _MAX_JPEG_SCANS:
        raise ImageTooLarge(f"The JPEG has more than {_MAX_JPEG_SCANS} scans; save it as baseline")
    if isinstance(image, TiffImageFile) and _tile_pixels(image) > MAX_IMAGE_PIXELS:
        raise ImageTooLarge("The TIFF has tiles of more than 4 million pixels")


def _tile_pixels(image: TiffImageFile) -> int:
    """Return the number of pixels in a tile that a TIFF announces; 0 if it has no tiles."""
    tags = image.tag_v2
    try:
        return int(tags.get(TILEWIDTH, 0)) * int(tags.get(TILELENGTH, 0))
    except (TypeError, ValueError) as error:
        raise UnreadableImage(_DAMAGED) from error


def _to_gray(image: Image.Image) -> GrayImage:
    if image.has_transparency_data:
        return _flatten_alpha(image if image.mode == "RGBA" else image.convert("RGBA"))
    if image.mode.startswith("I;16"):
        return _scale_by_depth(np.asarray(image))
    if image.mode in ("I", "F"):
        return _stretch_range(np.array(image, dtype=np.float64))
    if image.mode == "LAB":
        image = image.getchannel("L")
    return _scale_to_unit(image if image.mode == "L" else image.convert("L"))


def _scale_to_unit(gray: Image.Image) -> GrayImage:
    """Return the values of an 8-bit gray image as float32 in 0..1."""
    scaled = np.asarray(gray, dtype=np.float32)
    return np.divide(scaled, np.float32(255), out=scaled if scaled.flags.writeable else None)


def _flatten_alpha(image: Image.Image) -> GrayImage:
    """Blend a transparent image with the background that contrasts with its visible part."""
    alpha, flat = _scale_to_unit(image.getchannel("A")), _scale_to_unit(image.convert("L"))
    visible = float(alpha.sum())
    flat *= alpha
    if visible > 0 and float(flat.sum()) / visible < 0.5:
        flat += np.float32(1) - alpha
    return flat


def _scale_by_depth(values: npt.NDArray[np.uint16]) -> GrayImage:
    """Scale 16-bit values to 0..1 by the number of bits that are used."""
    depth_bits = max(8, int(values.max()).bit_length())
    return values.astype(np.float32) / np.float32(2**depth_bits - 1)


def _stretch_range(gray: npt.NDArray[np.float64]) -> GrayImage:
    """Scale 32-bit and float values to 0..1 by their own range; a constant image becomes 0.

    Raises ValueError if a value is not finite.
    """
    low, high = float(gray.min()), float(gray.max())
    if not np.isfinite(high - low):
        raise ValueError("gray values are not finite")
    if high == low:
        return np.zeros(gray.shape, dtype=np.float32)
    gray -= low
    gray /= high - low
    return gray.astype(np.float32)

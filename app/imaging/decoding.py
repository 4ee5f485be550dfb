"""Decoding of untrusted image files to colors; preprocessing.py finds the digit in them."""

import io
import struct
import warnings
import zlib

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from app.domain.errors import ImageTooLarge, UnreadableImage
from app.domain.predictions import DigitImage
from app.imaging.heif import HEIF_ERRORS, HeifFile, is_heif
from app.imaging.page import ColorImage, GrayLevels

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MAX_IMAGE_BYTES = 15 * 1024 * 1024
MAX_IMAGE_PIXELS = 4_000_000
MAX_JPEG_PIXELS, MAX_PROGRESSIVE_PIXELS = 50_000_000, 24_000_000  # decoded at a reduced size
MAX_HEIC_PIXELS = 16_000_000

SMALL_LIMIT = 4_096  # bytes, and pixels
_PAGE_SIDE = 1_024  # pixels; larger images are shrunk to this
_SAMPLE_SIZE = (64, 64)  # pixels; in this size a transparent image's brightness is measured
_MAX_COEFFICIENTS = 1.5 * MAX_PROGRESSIVE_PIXELS  # of a progressive JPEG; each takes two bytes
_START_OF_SCAN, _MAX_JPEG_SCANS = b"\xff\xda", 100
TOO_MANY_BYTES = "The image is larger than 15 MiB; send it smaller or as JPEG"
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


def decode(image_bytes: bytes) -> ColorImage:
    """Decode an image to uint8 (height, width, 3), upright, opaque, at most 1,024 pixels a side.

    Raises ImageTooLarge above the limits of its format, before any pixel is decoded, and
    UnreadableImage for anything that is not a complete PNG, JPEG, HEIC, WebP, BMP, GIF or TIFF.
    """
    if len(image_bytes) > MAX_IMAGE_BYTES:
        raise ImageTooLarge(TOO_MANY_BYTES)
    return _decode_heif(image_bytes) if is_heif(image_bytes) else _decode_others(image_bytes)


def _decode_heif(image_bytes: bytes) -> ColorImage:
    try:
        file = HeifFile(image_bytes)
        _check_pixels("HEIC", file.width, file.height, MAX_HEIC_PIXELS)
        pixels = file.decode()
    except HEIF_ERRORS as error:
        raise UnreadableImage(_DAMAGED) from error
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return _shrink(pixels).copy()  # while the file, whose memory the pixels are, exists
    return _shrink(_to_colors(Image.fromarray(pixels))).copy()


def _decode_others(image_bytes: bytes) -> ColorImage:
    image = _open(image_bytes)
    _check_announced_sizes(image, image_bytes)
    try:
        if isinstance(image, JpegImageFile):
            _reduce(image)
        image.load()
        if image.info or image.format != "PNG":  # a PNG without tags has no orientation
            ImageOps.exif_transpose(image, in_place=True)
        return _shrink(_to_colors(image))
    except _DECODER_ERRORS as error:
        raise UnreadableImage(_DAMAGED) from error


def is_small_png(image_bytes: bytes) -> bool:
    """Return whether the header declares a PNG of at most 4,096 bytes and pixels."""
    if not image_bytes.startswith(b"\x89PNG\r\n\x1a\n") or len(image_bytes) > SMALL_LIMIT:
        return False
    width, height = struct.unpack_from(">II", image_bytes.ljust(24, b"\xff"), 16)
    return bool(width * height <= SMALL_LIMIT)


def encode_png(digit: DigitImage) -> bytes:
    """Encode a digit image uint8 (28, 28) as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(digit).save(file, "PNG")
    return file.getvalue()


def repeat_gray(gray: GrayLevels) -> ColorImage:
    """Return a gray image as one of three equal channels."""
    return np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), np.uint8)


def _open(image_bytes: bytes) -> Image.Image:
    """Read the header only; pixels are decoded on first access."""
    try:
        return Image.open(io.BytesIO(image_bytes), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge("The image has far more pixels than any photograph") from error
    except _DECODER_ERRORS as error:
        raise UnreadableImage(
            "The file is not a PNG, JPEG, HEIC, WebP, BMP, GIF or TIFF image"
        ) from error


def _check_announced_sizes(image: Image.Image, image_bytes: bytes) -> None:
    """Reject what would cost a decoder more than the image's own size. Raises ImageTooLarge.

    A decoder allocates by the tile or strip that a TIFF announces, and decodes a JPEG once for each
    scan, of which a photograph has about ten.
    """
    if isinstance(image, JpegImageFile):
        _check_jpeg(image, image_bytes)
    else:
        _check_pixels(image.format or "image", image.width, image.height, MAX_IMAGE_PIXELS)
    if isinstance(image, TiffImageFile) and _tile_pixels(image) > MAX_IMAGE_PIXELS:
        raise ImageTooLarge("The TIFF has tiles of more than 4 million pixels")


def _check_jpeg(image: JpegImageFile, image_bytes: bytes) -> None:
    """Check a JPEG's size; all coefficients of a progressive one are kept in memory."""
    if "progressive" in image.info:
        _check_pixels("progressive JPEG", image.width, image.height, MAX_PROGRESSIVE_PIXELS)
        samples = [across * down for _, across, down, _ in image.layer]
        if image.width * image.height * sum(samples) > _MAX_COEFFICIENTS * max(samples, default=0):
            raise ImageTooLarge(
                f"The progressive JPEG has {image.width} x {image.height} pixels with colors in"
                " full resolution; save it as baseline"
            )
    _check_pixels("JPEG", image.width, image.height, MAX_JPEG_PIXELS)
    if image_bytes.count(_START_OF_SCAN) > _MAX_JPEG_SCANS:
        raise ImageTooLarge(f"The JPEG has more than {_MAX_JPEG_SCANS} scans; save it as baseline")


def _check_pixels(kind: str, width: int, height: int, limit: int) -> None:
    """Raise ImageTooLarge if an image has too many pixels for its format."""
    if width * height > limit:
        raise ImageTooLarge(
            f"The image has {width} x {height} pixels; a {kind} may have at most"
            f" {limit // 1_000_000} million"
        )


def _reduce(image: JpegImageFile) -> None:
    """Let a large JPEG be decoded at half, a quarter or an eighth of its size."""
    longer = max(image.size)
    if longer > _PAGE_SIDE:
        width, height = (side * _PAGE_SIDE // longer for side in image.size)
        image.draft(None, (width, height))


def _tile_pixels(image: TiffImageFile) -> int:
    """Return the number of pixels in a tile that a TIFF announces; 0 if it has no tiles."""
    tags = image.tag_v2
    try:
        return int(tags.get(TILEWIDTH, 0)) * int(tags.get(TILELENGTH, 0))
    except (TypeError, ValueError) as error:
        raise UnreadableImage(_DAMAGED) from error


def _to_colors(image: Image.Image) -> ColorImage:
    if image.has_transparency_data:
        return _flatten_alpha(image if image.mode == "RGBA" else image.convert("RGBA"))
    if image.mode.startswith("I;16"):
        return repeat_gray(_scale_by_depth(np.asarray(image)))
    if image.mode in ("I", "F"):
        return repeat_gray(_stretch_range(np.array(image, dtype=np.float64)))
    if image.mode == "LAB":
        image = image.getchannel("L")
    if image.mode in ("1", "L"):
        return repeat_gray(np.asarray(image.convert("L")))
    return np.asarray(image.convert("RGB"))


def _shrink(page: ColorImage) -> ColorImage:
    """Shrink an image to the size in which a digit is looked for, averaging."""
    longer = max(page.shape)
    if longer <= _PAGE_SIDE:
        return page
    height, width = (max(1, round(side * _PAGE_SIDE / longer)) for side in page.shape[:2])
    return np.asarray(cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _flatten_alpha(image: Image.Image) -> ColorImage:
    """Lay a transparent image on black or white, what contrasts with its visible part."""
    small = np.asarray(image.resize(_SAMPLE_SIZE, Image.Resampling.BOX), np.float32)
    visible = float(small[..., 3].sum())
    brightness = float((small[..., :3].mean(axis=2) * small[..., 3]).sum()) / max(visible, 1.0)
    ground = (255, 255, 255, 255) if visible and brightness < 127.5 else (0, 0, 0, 255)
    flat = Image.new("RGBA", image.size, ground)
    flat.alpha_composite(image)
    return np.asarray(flat.convert("RGB"))


def _scale_by_depth(values: npt.NDArray[np.uint16]) -> GrayLevels:
    """Scale 16-bit values to 0..255 by the number of bits that are used."""
    depth_bits = max(8, int(values.max()).bit_length())
    return (values >> (depth_bits - 8)).astype(np.uint8)


def _stretch_range(gray: npt.NDArray[np.float64]) -> GrayLevels:
    """Scale 32-bit and float values to 0..255 by their own range; a constant image becomes 0.

    Raises ValueError if a value is not finite.
    """
    low, high = float(gray.min()), float(gray.max())
    if not np.isfinite(high - low):
        raise ValueError("gray values are not finite")
    if high == low:
        return np.zeros(gray.shape, dtype=np.uint8)
    gray -= low
    gray *= 255 / (high - low)
    return gray.round().astype(np.uint8)

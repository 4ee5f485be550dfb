"""Image files of at most 15 MiB that announce or cost as much as they can, one family a way."""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from app.imaging.decoding import FORMATS, MAX_IMAGE_BYTES

SIDE = 2_000  # 4 million pixels are allowed
HEIC = Path(__file__).parents[2] / "benchmarks" / "files" / "photograph.heic"
FORMATS_AND_HEIC = (*FORMATS, "HEIC")
TAG_SIDE = 46_000  # a tile of 2 GB

_TIFF_COMPRESSIONS = ("tiff_deflate", "tiff_lzw", "packbits", "tiff_adobe_deflate")


@cache
def hostile_images(image_format: str) -> dict[str, bytes]:
    """Return the files of a format by their names; making them takes seconds."""
    files = dict(_FAMILIES[image_format]())
    for name, file in files.items():
        assert len(file) <= MAX_IMAGE_BYTES, name
    return files


def _tiff_files() -> Iterator[tuple[str, bytes]]:
    yield from _tiff_layouts()
    yield from _tiff_modes()


def _jpeg_files() -> Iterator[tuple[str, bytes]]:
    yield "jpeg with 370,000 empty scans", _jpeg_with_scans(370_000)
    yield "jpeg with 90 scans of 4 megapixels", _jpeg_with_scans(90)
    yield "jpeg with 90 scans of 24 megapixels", _jpeg_with_scans(90, 4_898)
    yield "jpeg of 50 megapixels", _encode(Image.new("RGB", (8_160, 6_120), (9, 99, 200)), "JPEG")
    yield (
        "progressive jpeg of 24 megapixels, colors in full",
        _encode(Image.new("RGB", (4_898, 4_898)), "JPEG", progressive=True, subsampling=0),
    )


def _heic_files() -> Iterator[tuple[str, bytes]]:
    whole = HEIC.read_bytes()
    yield "heic of 12 megapixels", whole
    size = whole.index(b"ispe") + 8  # width and height after the version
    for side in (4_000, 46_000):
        announced = whole[:size] + struct.pack(">II", side, side) + whole[size + 8 :]
        yield f"heic that announces {side:,} x {side:,}", announced


def _gif_files() -> Iterator[tuple[str, bytes]]:
    yield "gif with a canvas of 65535 x 65535", _gif_canvas(65_535)
    yield "gif with 300 frames", _animated("GIF", 300)


def _bmp_files() -> Iterator[tuple[str, bytes]]:
    yield "bmp of 4 megapixels, RLE8", _bmp_rle()
    yield "bmp that announces 2 GB", _bmp_announcing(46_000)


def _encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def _noise(channels: int, side: int = SIDE) -> Image.Image:
    shape = (side, side) if channels == 1 else (side, side, channels)
    values = np.random.default_rng(1).integers(0, 2, shape, dtype=np.uint8) * 255
    return Image.fromarray(values)


def _tiff(tags: dict[int, int | tuple[int, int]], data: bytes) -> bytes:
    """Return a TIFF file with these tags; a value is a LONG, or a pair of type and value."""
    entries = []
    offset = 8 + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        kind, number = value if isinstance(value, tuple) else (4, value)
        entries.append(struct.pack("<HHII", tag, kind, 1, offset if number == -1 else number))
    ifd = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + ifd + data


def _tiff_layouts() -> Iterator[tuple[str, bytes]]:
    """Tiles, strips and samples that are larger than the image."""
    small = {256: 28, 257: 28, 258: (3, 8), 262: (3, 1), 277: (3, 1)}
    deflated = zlib.compress(bytes(4_000_000), 9)
    for compression, name in ((8, "deflate"), (5, "lzw"), (32773, "packbits"), (34925, "lzma")):
        for side in (2_048, TAG_SIDE):
            tiles = {259: (3, compression), 322: side, 323: side, 324: -1, 325: len(deflated)}
            yield f"tiff with a tile of {side} x {side}, {name}", _tiff(small | tiles, deflated)
    strips = {259: (3, 8), 273: -1, 278: 2**31 - 1, 279: len(deflated)}
    yield "tiff with a strip of 2,147,483,647 rows", _tiff(small | strips, deflated)
    samples = small | {277: (3, 60_000), 259: (3, 8), 273: -1, 278: 28, 279: len(deflated)}
    yield "tiff with 60,000 samples a pixel", _tiff(samples, deflated)
    wide = {256: 4_000_000, 257: 1, 258: (3, 8), 262: (3, 1), 277: (3, 1)}
    yield (
        "tiff of 4,000,000 x 1",
        _tiff(wide | {259: (3, 8), 273: -1, 278: 1, 279: len(deflated)}, deflated),
    )


def _tiff_modes() -> Iterator[tuple[str, bytes]]:
    for compression in _TIFF_COMPRESSIONS:
        for mode in ("F", "I", "RGBA", "CMYK", "I;16"):
            image = Image.new(mode, (SIDE, SIDE))
            image.putpixel((5, 5), 200 if mode in {"F", "I", "I;16"} else (1, 2, 3, 4))
            file = _encode(image, "TIFF", compression=compression)
            if len(file) <= MAX_IMAGE_BYTES:
                yield f"tiff of 4 megapixels, {mode}, {compression}", file


def _jpeg_with_scans(count: int, side: int = SIDE) -> bytes:
    """Return a square progressive JPEG with empty scans of its last coefficients."""
    file = _encode(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    # A scan of component 1, coefficients 1 to 63, refining bit 0, with no coded bits.
    scan = b"\xff\xda\0\x08\x01\x01\0\x01\x3f\x10"
    room = (MAX_IMAGE_BYTES - len(file)) // len(scan)
    return file[:-2] + scan * min(count, room) + b"\xff\xd9"


def _png(width: int, height: int, kind: bytes, rows: bytes, *extra: bytes) -> bytes:
    header = struct.pack(">II", width, height) + kind
    chunks = [_chunk(b"IHDR", header), *extra, _chunk(b"IDAT", rows), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _png_files() -> Iterator[tuple[str, bytes]]:
    rgba_16, gray_16 = b"\x10\x06\0\0\0", b"\x10\0\0\0\0"
    zeros = zlib.compress(bytes(SIDE * (1 + 8 * SIDE)), 9)
    yield "png of 4 megapixels, RGBA of 16 bits", _png(SIDE, SIDE, rgba_16, zeros)
    yield (
        "png of 4 megapixels, RGBA of 16 bits, interlaced",
        _png(SIDE, SIDE, b"\x10\x06\0\0\x01", zeros),
    )
    yield (
        "png of 4 megapixels, gray of 16 bits",
        _png(SIDE, SIDE, gray_16, zlib.compress(bytes(SIDE * (1 + 2 * SIDE)), 9)),
    )
    yield "png of 4 megapixels, RGBA", _encode(Image.new("RGBA", (SIDE, SIDE), (9, 9, 9, 9)), "PNG")
    yield "png that announces 46,000 x 46,000", _png(TAG_SIDE, TAG_SIDE, rgba_16, zeros)
    bomb = zlib.compress(bytes(1_000_000), 9)
    texts = [_chunk(b"zTXt", b"text\0\0" + bomb)] * 4_000
    yield "png with 4,000 texts of 1 MB", _png(28, 28, b"\x08\0\0\0\0", zeros, *texts)
    profile = _chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(200_000_000), 9))
    yield "png with a color profile of 200 MB", _png(28, 28, b"\x08\0\0\0\0", zeros, profile)
    empty = [_chunk(b"IDAT", b"")] * 400_000
    yield "png with 400,000 empty chunks", _png(28, 28, b"\x08\0\0\0\0", zeros, *empty)


def _webp_files() -> Iterator[tuple[str, bytes]]:
    yield "webp of 2 megapixels, lossy noise", _encode(_noise(3, 1_400), "WEBP", quality=90)
    yield (
        "webp of 4 megapixels, lossless",
        _encode(Image.new("RGBA", (SIDE, SIDE), (9, 9, 9, 9)), "WEBP", lossless=True),
    )
    yield "webp with 60 frames", _animated("WEBP", 60)
    canvas = bytes(4) + (16_382).to_bytes(3, "little") * 2
    body = b"VP8X" + struct.pack("<I", 10) + canvas
    yield (
        "webp with a canvas of 16,383 x 16,383",
        b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body,
    )


def _animated(file_format: str, frames: int) -> bytes:
    side = 400 if file_format == "GIF" else SIDE
    images = [Image.new("RGB", (side, side), (index % 256, 9, 9)) for index in range(frames)]
    return _encode(images[0], file_format, save_all=True, append_images=images[1:])


def _gif_canvas(side: int) -> bytes:
    file = bytearray(_encode(Image.new("L", (28, 28)), "GIF"))
    file[6:10] = struct.pack("<HH", side, side)
    return bytes(file)


def _bmp_rle() -> bytes:
    palette = bytes(1_024)
    runs = (b"\xff\x01" * 8 + b"\0\0") * SIDE + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(runs), 0, 0, 256, 256)
    offset = 14 + len(header) + len(palette)
    start = struct.pack("<2sIHHI", b"BM", offset + len(runs), 0, 0, offset)
    return start + header + palette + runs


def _bmp_announcing(side: int) -> bytes:
    file = bytearray(_encode(Image.new("L", (28, 28)), "BMP"))
    file[18:26] = struct.pack("<ii", side, side)
    return bytes(file)


_FAMILIES = {
    "PNG": _png_files,
    "JPEG": _jpeg_files,
    "HEIC": _heic_files,
    "WEBP": _webp_files,
    "BMP": _bmp_files,
    "GIF": _gif_files,
    "TIFF": _tiff_files,
}

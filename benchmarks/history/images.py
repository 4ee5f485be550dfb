"""The image files that clients send: golden digits, most as small PNGs, some as JPEGs."""

import io

from PIL import Image

from app.imaging.decoding import encode_png
from app.training.datasets import load_base_sets

JPEG_EVERY = 8  # these are decoded in another process
JPEG_SIZE = 112


class ImageFiles:
    """Image files by number; the same number is the same file in every run."""

    def __init__(self) -> None:
        self._digits = load_base_sets().golden.digits

    def file(self, number: int) -> tuple[bytes, str]:
        """Return an image file and its content type."""
        digit = self._digits[number % len(self._digits)]
        if number % JPEG_EVERY:
            return encode_png(digit), "image/png"
        file = io.BytesIO()
        large = Image.fromarray(digit).resize((JPEG_SIZE, JPEG_SIZE))
        large.save(file, "JPEG")
        return file.getvalue(), "image/jpeg"

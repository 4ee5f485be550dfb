"""Decoding of HEIC files, which phones make; pi-heif only decodes, and only HEVC."""

import numpy as np
import numpy.typing as npt
import pi_heif

pi_heif.options.DECODE_THREADS = 1

# What pi-heif raises for truncated or hostile files, found by feeding it such files.
HEIF_ERRORS = (RuntimeError, ValueError, LookupError, EOFError, SyntaxError, OSError)


class HeifFile:
    """The main image of a HEIC file, of which only the header has been read."""

    def __init__(self, image_bytes: bytes) -> None:
        """Read the header. Raises one of HEIF_ERRORS."""
        self._container = pi_heif.open_heif(image_bytes)
        self._image = self._container[self._container.primary_index]
        self.width, self.height = self._image.size

    def decode(self) -> npt.NDArray[np.uint8]:
        """Return the pixels, upright, (height, width) or (height, width, channels).

        They are the decoder's own memory, and valid only as long as this object is.
        """
        return np.asarray(self._image)


def is_heif(image_bytes: bytes) -> bool:
    """Return whether a file says that it is a HEIC file."""
    return image_bytes[4:8] == b"ftyp" and bool(pi_heif.is_supported(image_bytes[:64]))

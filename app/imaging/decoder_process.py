"""`python -m app.imaging.decoder_process`: find the digit in untrusted images within a budget.

A process of its own for what a decoder may allocate and compute: however hostile a file is, this
process hits its limits and no other notices. It reads images from standard input and writes digit
images to standard output, one after the other, until its input is closed; the messages are those of
app/imaging/decoder_pool.py, which starts it.
"""

import json
import logging
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

from app.domain.errors import ImageError, ImageTooLarge
from app.imaging.decoding import decode
from app.imaging.ink_finder import InkModel
from app.imaging.ink_model import bundled_ink_model
from app.imaging.page import VIEW_SIDE
from app.imaging.preprocessing import Preprocessed, find_digit

MEMORY_BUDGET_BYTES = 112 * 1024 * 1024  # address space for an image, beyond that of the libraries
TIME_BUDGET_S = 1.5  # of processor time for an image
_OUT_OF_MEMORY = ("bad_alloc", "Insufficient memory", "Failed to allocate memory")
OVER_BUDGET = (
    "The image takes more memory or time to decode than any photograph of a digit needs; send it as"
    " a smaller PNG or JPEG"
)


def main() -> None:
    """Decode images until standard input is closed."""
    logging.disable()  # Pillow logs what it cannot read; the client gets the error
    model = bundled_ink_model()
    model(np.zeros((1, VIEW_SIDE, VIEW_SIDE, 3), np.uint8))  # the first run allocates
    _limit_memory()
    while header := sys.stdin.buffer.read(4):
        image_bytes = sys.stdin.buffer.read(int.from_bytes(header))
        started_at_s = time.process_time()
        answer, digit = _answer(image_bytes, model)
        answer["cpu_s"] = time.process_time() - started_at_s
        line = json.dumps(answer).encode() + b"\n"
        sys.stdout.buffer.write(line + digit)
        sys.stdout.buffer.flush()


def _answer(image_bytes: bytes, model: InkModel) -> tuple[dict[str, object], bytes]:
    """Return the answer to an image: how certain its digit is and its 784 bytes, or an error."""
    try:
        found = _preprocess_in_time(image_bytes, model)
    except ImageError as error:
        return {"error": type(error).__name__, "message": error.message}, b""
    except Exception as error:  # noqa: BLE001  the server raises it again
        if _is_out_of_memory(error):
            return {"error": ImageTooLarge.__name__, "message": OVER_BUDGET}, b""
        return {"traceback": traceback.format_exc()}, b""
    return {"certainty": found.single_digit_probability}, found.digit.tobytes()


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether memory was missing, to Python or to a library that says so in its message."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in _OUT_OF_MEMORY)


def _preprocess_in_time(image_bytes: bytes, model: InkModel) -> Preprocessed:
    """Find the digit of an image; SIGPROF ends this process if that takes too long."""
    signal.setitimer(signal.ITIMER_PROF, TIME_BUDGET_S)
    try:
        return find_digit(decode(image_bytes), model)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _limit_memory() -> None:
    """Limit the address space to what is in use now and the budget."""
    used_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = used_pages * resource.getpagesize() + MEMORY_BUDGET_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()

"""`python -m app.imaging.decoder_process`: decode untrusted images within a budget.

A process of its own for what a decoder may allocate and compute: however hostile a file is, this
process hits its limits and no other notices. It reads images from standard input and writes gray
values to standard output, one after the other, until its input is closed; the messages are those of
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

from app.domain.errors import ImageError, ImageTooLarge
from app.imaging.decoding import GrayImage, decode, resize_to_working_size

MEMORY_BUDGET_BYTES = 112 * 1024 * 1024  # address space for an image, beyond that of the libraries
TIME_BUDGET_S = 1.5  # of processor time for an image
OVER_BUDGET = (
    "The image takes more memory or time to decode than any photograph of a digit needs; send it as"
    " a smaller PNG or JPEG"
)


def main() -> None:
    """Decode images until standard input is closed."""
    logging.disable()  # Pillow logs what it cannot read; the client gets the error
    _limit_memory()
    while header := sys.stdin.buffer.read(4):
        image_bytes = sys.stdin.buffer.read(int.from_bytes(header))
        started_at_s = time.process_time()
        answer, pixels = _answer(image_bytes)
        answer["cpu_s"] = time.process_time() - started_at_s
        line = json.dumps(answer).encode() + b"\n"
        sys.stdout.buffer.write(line + pixels)
        sys.stdout.buffer.flush()


def _answer(image_bytes: bytes) -> tuple[dict[str, object], bytes]:
    """Return the answer to an image: the shape of its gray values and these, or an error."""
    try:
        gray = _decode_in_time(image_bytes)
    except ImageError as error:
        return {"error": type(error).__name__, "message": error.message}, b""
    except MemoryError:
        return {"error": ImageTooLarge.__name__, "message": OVER_BUDGET}, b""
    except Exception:  # noqa: BLE001  the server raises it again
        return {"traceback": traceback.format_exc()}, b""
    return {"shape": gray.shape}, gray.tobytes()


def _decode_in_time(image_bytes: bytes) -> GrayImage:
    """Decode and shrink an image; SIGPROF ends this process if that takes too long."""
    signal.setitimer(signal.ITIMER_PROF, TIME_BUDGET_S)
    try:
        return resize_to_working_size(decode(image_bytes))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _limit_memory() -> None:
    """Limit the address space to what is in use now and the budget."""
    used_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = used_pages * resource.getpagesize() + MEMORY_BUDGET_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()

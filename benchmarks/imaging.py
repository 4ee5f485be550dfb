"""`python -m benchmarks.imaging`: the cost of finding the digit in an image file, on one core.

The time includes decoding and normalization. The memory is that of the process which does it, above
what it needs when idle; plain small images are preprocessed in the server.
"""

import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import psutil
from PIL import Image
from tqdm import tqdm

from app.domain.errors import ImageError
from app.imaging.decoder_pool import DecoderPool
from app.imaging.decoding import encode_png
from app.imaging.preprocessing import preprocess
from app.training.datasets import load_base_sets
from app.training.synthetic_images import RENDERERS

ROUNDS = 5
HEIC = Path(__file__).parent / "files" / "photograph.heic"
_MIB = 1024 * 1024


def main() -> None:
    """Print the median over all images and rounds for each size."""
    cv2.setNumThreads(1)
    golden = load_base_sets().golden.digits
    rng = np.random.default_rng(1)
    sizes = {
        "PNG, 28x28, plain": [encode_png(digit) for digit in golden[:400]],
        "PNG, 36x36, framed": [encode_png(np.pad(255 - digit, 4)) for digit in golden[:60]],
        "JPEG, 320x240": [RENDERERS["photograph"](digit, rng) for digit in golden[:60]],
        "JPEG, 4 megapixels": [RENDERERS["huge"](digit, rng) for digit in golden[:8]],
        "JPEG, 12 megapixels": [photograph(digit, 4032, 3024) for digit in golden[:3]],
        "JPEG, 50 megapixels": [photograph(golden[0], 8160, 6120)],
        "HEIC, 12 megapixels": [HEIC.read_bytes()],
    }
    print("| image | median ms | MB above idle |\n| --- | --- | --- |")
    with warm_pool() as pool:
        for name, files in sizes.items():
            rounds = tqdm(range(ROUNDS), name, leave=False)
            costs_ms = [cost_ms(file) for _ in rounds for file in files]
            memory = "in the server" if "plain" in name else f"{peak_mb(pool, files[0]):.0f}"
            print(f"| {name} | {np.median(costs_ms):.2f} | {memory} |", flush=True)


def cost_ms(file: bytes) -> float:
    """Return the wall-clock milliseconds of preprocessing one image, or of rejecting it."""
    started_at_s = time.perf_counter()
    with suppress(ImageError):
        preprocess(file)
    return (time.perf_counter() - started_at_s) * 1000


def photograph(digit: np.ndarray, width: int, height: int) -> bytes:
    """Return a photograph of a digit on paper, as a baseline JPEG with a camera's noise."""
    page = np.full((height, width), 232, np.float32)
    side = height // 2
    ink = cv2.resize(digit, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    page[side // 2 : side // 2 + side, side // 2 : side // 2 + side] *= 1 - 0.8 * ink.clip(0, 1)
    page += np.random.default_rng(1).normal(0, 4, page.shape)
    file = io.BytesIO()
    Image.fromarray(page.clip(0, 255).astype(np.uint8)).convert("RGB").save(file, "JPEG")
    return file.getvalue()


@contextmanager
def warm_pool() -> Iterator[DecoderPool]:
    """Start a decoder process and let it find one digit."""
    pool = DecoderPool(os.environ, max_callers=1)
    pool.preprocess(encode_png(np.pad(255 - load_base_sets().golden.digits[0], 4)))
    try:
        yield pool
    finally:
        pool.close()


def peak_mb(pool: DecoderPool, file: bytes) -> float:
    """Return how much more memory the decoder process needs for a file, at its peak."""
    (process,) = [
        each for each in psutil.Process().children() if "decoder_process" in str(each.cmdline())
    ]
    before = process.memory_info().rss
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # forget the peak so far
    pool.preprocess(file)
    status = Path(f"/proc/{process.pid}/status").read_text()
    peak_kib = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
    return (peak_kib * 1024 - before) / _MIB


if __name__ == "__main__":
    main()

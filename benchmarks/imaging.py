"""`python -m benchmarks.imaging`: the cost of decoding and normalizing an image, on one core."""

import time

import cv2
import numpy as np
from tqdm import tqdm

from app.imaging import normalization
from app.imaging.decoding import encode_png
from app.training.datasets import load_base_sets
from app.training.synthetic_images import RENDERERS

ROUNDS = 5


def main() -> None:
    """Print the median over all images and rounds for each size."""
    cv2.setNumThreads(1)
    golden = load_base_sets().golden.digits
    rng = np.random.default_rng(1)
    sizes = {
        "PNG, 28x28": [encode_png(digit) for digit in golden[:400]],
        "JPEG, 320x240": [RENDERERS["photograph"](digit, rng) for digit in golden[:60]],
        "JPEG, up to 4 megapixels": [RENDERERS["huge"](digit, rng) for digit in golden[:8]],
    }
    print("| image | median ms |\n| --- | --- |")
    for name, files in sizes.items():
        costs_ms = [cost_ms(file) for _ in tqdm(range(ROUNDS), name, leave=False) for file in files]
        print(f"| {name} | {np.median(costs_ms):.2f} |", flush=True)


def cost_ms(file: bytes) -> float:
    """Return the wall-clock milliseconds of preprocessing one image."""
    started_at_s = time.perf_counter()
    normalization.preprocess(file)
    return (time.perf_counter() - started_at_s) * 1000


if __name__ == "__main__":
    main()

"""The training set of the ink network: views of scenes, generated once and kept in a folder.

Two views of each scene, as in serving: one of all of it, and one of a part around the digits, or
of the digits only, as if somebody had cropped the image by hand, sometimes in few noisy pixels.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from tqdm import tqdm

from app.imaging.ink_finder import Content
from app.imaging.page import VIEW_SIDE, Region, around, bounding_region, crop, view
from app.training.datasets import load_base_sets
from app.training.scenes.scene import Scene, make_scene

SCENES_PER_CHUNK = 500
_CONTENT_SHARES = {Content.NONE: 0.12, Content.ONE: 0.73, Content.SEVERAL: 0.15}
_MIN_CLOSE_PIXELS = 24  # of the digit in the scene; a smaller one is not worth a closer view
_CLOSE_SHARES = (0.45, 1.0)  # of the closer view's side that the digits fill
_MIN_INK = 60  # of 255, of the strongest pixel of a digit in a view
_CROPPED_PROBABILITY, _SMALL_PROBABILITY = 0.15, 0.25
_SMALL_SIDES = (8, 40)  # pixels of a small image
_SMALL_MARGINS = (-0.02, 0.35)  # of the digit's longer side, on each side
_CROP_MARGINS = (-0.02, 0.1)  # of the digit's longer side, on each side
_MISJUDGED = 0.06  # deviation of the place that is looked at, in digits

_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class InkViews:
    """Views uint8 (n, 96, 96, 3), ink uint8 (n, 96, 96), and `Content` uint8 (n,)."""

    views: _Bytes
    ink: _Bytes
    contents: _Bytes

    @classmethod
    def load(cls, folder: Path) -> "InkViews":
        """Load all chunks of a folder."""
        chunks = [np.load(path) for path in sorted(folder.glob("*.npz"))]
        return cls(*(np.concatenate([chunk[name] for chunk in chunks]) for name in _FIELDS))


_FIELDS = ("views", "ink", "contents")


def make_views(
    folder: Path, chunks: int, seed: int, executor: Executor, scenes: int = SCENES_PER_CHUNK
) -> None:
    """Generate the chunks that a folder lacks; a run that was interrupted is continued."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04}.npz" for number in range(chunks)]
    missing = [
        (path, seed, number, scenes) for number, path in enumerate(paths) if not path.exists()
    ]
    made = executor.map(_make_chunk, *zip(*missing, strict=True)) if missing else ()
    for _ in tqdm(made, "generating scenes", len(missing), unit="chunk"):
        pass


def _make_chunk(path: Path, seed: int, number: int, scenes: int) -> None:
    """Generate a chunk and save it; runs in a worker."""
    cv2.setNumThreads(1)
    rng, digits = np.random.default_rng([seed, number]), _training_digits()
    contents, shares = list(_CONTENT_SHARES), list(_CONTENT_SHARES.values())
    found = [
        each
        for _ in range(scenes)
        for each in make_scene_views(
            make_scene(digits, Content(rng.choice(contents, p=shares)), rng), rng
        )
    ]
    views, ink, marked = (np.stack(column) for column in zip(*found, strict=True))
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        np.savez(file, views=views, ink=ink, contents=marked)
    unfinished.replace(path)


@cache
def _training_digits() -> _Bytes:
    return load_base_sets().training.digits


def make_scene_views(scene: Scene, rng: Generator) -> Iterator[tuple[_Bytes, _Bytes, np.uint8]]:
    """Yield a view of the whole scene, and one around its digits, or around nothing if it has none.

    A view in which a digit is too small to be seen is left out.
    """
    image, ink = (np.asarray(each * 255 + 0.5, np.uint8) for each in (scene.image, scene.ink))
    box = bounding_region(ink > 127) or _anywhere(ink.shape, rng)
    found = [(image, ink)]
    if max(box.width, box.height) >= _MIN_CLOSE_PIXELS:
        found.append(_closer(image, ink, box, rng))
    for part, its_ink in found:
        seen, marked = view(part)[0], view(its_ink)[0]
        if scene.content is Content.NONE or marked.max() >= _MIN_INK:
            yield seen, marked, np.uint8(scene.content)


def _closer(image: _Bytes, ink: _Bytes, box: Region, rng: Generator) -> tuple[_Bytes, _Bytes]:
    """Return a part of an image around its digits, and its ink."""
    kind = rng.random()
    if kind < _CROPPED_PROBABILITY:
        region = _crop_by_hand(box, ink.shape, _CROP_MARGINS, rng)
    elif kind < _CROPPED_PROBABILITY + _SMALL_PROBABILITY:
        region = _crop_by_hand(box, ink.shape, _SMALL_MARGINS, rng)
        return _lower_resolution(crop(image, region), rng), crop(ink, region)
    else:
        region = around(_misjudge(box, rng), rng.uniform(*_CLOSE_SHARES), ink.shape)
    return crop(image, region), crop(ink, region)


def _lower_resolution(image: _Bytes, rng: Generator) -> _Bytes:
    """Return an image in few pixels, as thumbnails and data sets have it, perhaps enlarged."""
    scale = rng.integers(*_SMALL_SIDES) / max(image.shape)
    size = max(2, round(image.shape[1] * scale)), max(2, round(image.shape[0] * scale))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
    kind, pixels = rng.random(), small.shape[:2]
    if kind < 0.25:
        hit = rng.random(pixels) < np.exp(rng.uniform(np.log(0.01), np.log(0.3)))
        small[hit] = rng.choice([0, 255], (np.count_nonzero(hit), 1))
    elif kind < 0.5:
        small += np.ptp(small) * rng.normal(0, rng.uniform(0.02, 0.35), (*pixels, 1))
    elif kind < 0.6:
        small = np.where(small > (small.min() + small.max()) / 2, small.max(), small.min())
    levels = np.clip(small, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        return levels
    larger = rng.uniform(1.5, 8)
    method = cv2.INTER_CUBIC if rng.random() < 0.7 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(levels, None, None, larger, larger, method), np.uint8)


def _misjudge(box: Region, rng: Generator) -> Region:
    """Return a box nearly like it, as the first look at a page finds it."""
    unit = max(box.width, box.height)
    left, top = np.array([box.left, box.top]) + rng.normal(0, _MISJUDGED, 2) * unit
    width, height = np.array([box.width, box.height]) * rng.uniform(0.9, 1.1, 2)
    return Region(round(left), round(top), round(width), round(height))


def _crop_by_hand(
    box: Region, shape: tuple[int, ...], margins: tuple[float, float], rng: Generator
) -> Region:
    """Return a rectangle with a margin around a box on each side, or cut into it a little."""
    unit = max(box.width, box.height)
    left, top, right, bottom = np.rint(rng.uniform(*margins, 4) * unit).astype(int).tolist()
    x, y = max(0, box.left - left), max(0, box.top - top)
    x_end = min(shape[1], box.left + box.width + right)
    y_end = min(shape[0], box.top + box.height + bottom)
    return Region(x, y, max(1, x_end - x), max(1, y_end - y))


def _anywhere(shape: tuple[int, ...], rng: Generator) -> Region:
    side = int(rng.integers(VIEW_SIDE // 3, min(shape) + 1))
    top, left = (int(rng.integers(0, length - side + 1)) for length in shape)
    return Region(left, top, side, side)

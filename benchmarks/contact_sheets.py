"""Contact sheets: what was sent, with the ink that was marked, above what the models saw."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from app.imaging.decoding import decode
from app.imaging.ink_finder import Look, find_ink
from app.imaging.ink_model import bundled_ink_model
from app.imaging.page import ColorImage
from app.training.evaluation_sets import preprocess_or_none

CELL, GAP = 112, 8  # pixels
_GROUND, _FAILED = (127, 143, 166), (214, 48, 49)
_MARKED = np.array([232, 0, 96], np.float32)


def draw_sheet(path: Path, examples: list[bytes], failures: list[bytes]) -> None:
    """Draw a column for each file; failures come last, on red."""
    columns = [_column(file, _GROUND) for file in examples]
    columns += [_column(file, _FAILED) for file in failures]
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.hstack(columns)).quantize(128).save(path, optimize=True)


def _column(file: bytes, ground: tuple[int, int, int]) -> ColorImage:
    """Return the image, the image with its marked ink, and the digit image, if there is one."""
    page, found = decode(file), preprocess_or_none(file)
    look = find_ink(page, bundled_ink_model())
    cells = [page, _mark(page, look)]
    if found is not None:
        cells.append(np.dstack([found.digit] * 3))
    column = np.full((3 * (CELL + GAP), CELL + GAP, 3), ground, np.uint8)
    for row, cell in enumerate(cells):
        scale = CELL / max(cell.shape)
        size = max(1, round(cell.shape[1] * scale)), max(1, round(cell.shape[0] * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
        shown = cv2.resize(cell, size, interpolation=method)
        top = row * (CELL + GAP) + (CELL + GAP - size[1]) // 2
        left = (CELL + GAP - size[0]) // 2
        column[top : top + size[1], left : left + size[0]] = shown
    return column


def _mark(page: ColorImage, look: Look) -> ColorImage:
    """Return a paler page with the marked ink in a strong color."""
    inside, region = look.inside, look.region
    ink = look.ink[inside.top : inside.top + inside.height]
    ink = ink[:, inside.left : inside.left + inside.width]
    place = np.s_[region.top : region.top + region.height, region.left : region.left + region.width]
    marked = np.zeros(page.shape[:2], np.float32)
    marked[place] = cv2.resize(ink, (region.width, region.height))
    pale = 96 + page.astype(np.float32) * 0.62
    return np.asarray(pale + marked[..., None] * (_MARKED - pale), np.uint8)

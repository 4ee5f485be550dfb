"""`python -m benchmarks.kinds`: how well each kind of picture is read, and a sheet of each.

Pictures are made from the golden digits; a picture that is refused counts as read wrong. Prints the
table of docs/PICTURES.md and draws the sheets beside it.
"""

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_digits
from tqdm import tqdm

from app.domain.errors import PictureError
from app.domain.readings import Digit
from app.imaging import digits
from app.services.artefacts import Session, open_session
from app.training.kinds import KINDS, file_of
from app.training.sets import load_base_sets
from config import ROOT

SEED = 1
PICTURES = {"huge": 300}
PICTURES_OF_OTHER_KINDS = 2_000
SHEETS = ROOT / "docs" / "pictures"
SHOWN, CELL = 8, 112


def main() -> None:
    """Measure every kind with both versions."""
    sessions = {
        version: open_session((ROOT / "models" / f"{version}.onnx").read_bytes())
        for version in ("v1", "v2")
    }
    print("| kind | pictures | refused | v1 | v2 |\n| --- | --- | --- | --- | --- |")
    golden = load_base_sets().golden
    for kind in KINDS:
        count = PICTURES.get(kind, PICTURES_OF_OTHER_KINDS)
        files = made(kind, golden.digits[:count])
        read = [read_or_none(file) for file in tqdm(files, desc=kind, leave=False)]
        report(kind, read, golden.labels[:count], sessions)
        draw_sheet(SHEETS / f"{kind}.png", files[:SHOWN], read[:SHOWN])
    files, labels = scanned()
    read = [read_or_none(file) for file in tqdm(files, desc="scanned", leave=False)]
    report("scikit-learn's digits, 64x64", read, labels, sessions)
    draw_sheet(SHEETS / "scanned.png", files[:SHOWN], read[:SHOWN])


def made(kind: str, pictures: npt.NDArray[np.uint8]) -> list[bytes]:
    """A picture file of this kind for each digit, the same each time."""
    dice = np.random.default_rng(SEED)
    return [KINDS[kind](digit, dice) for digit in pictures]


def scanned() -> tuple[list[bytes], npt.NDArray[np.int64]]:
    """scikit-learn's 1,797 digits of 8x8, enlarged to 64x64, as PNG files with their labels."""
    bunch = load_digits()
    planes = [
        cv2.resize(image / 16, (64, 64), interpolation=cv2.INTER_CUBIC) for image in bunch.images
    ]
    return [file_of(plane, "PNG") for plane in planes], bunch.target


def read_or_none(file: bytes) -> Digit | None:
    """What imaging makes of a file; None where it refuses it."""
    try:
        return digits.read(file)
    except PictureError:
        return None


def report(
    name: str,
    read: list[Digit | None],
    labels: npt.NDArray[np.int64],
    sessions: dict[str, Session],
) -> None:
    """Print a row of the table."""
    refused = sum(digit is None for digit in read)
    shares = [f"{share_right(read, labels, session):.2%}" for session in sessions.values()]
    print(f"| {name} | {len(read):,} | {refused} | {' | '.join(shares)} |", flush=True)


def share_right(read: list[Digit | None], labels: npt.NDArray[np.int64], session: Session) -> float:
    """Share of pictures that a model names right."""
    stack = np.stack([np.zeros((28, 28), np.uint8) if digit is None else digit for digit in read])
    answers = session.run(None, {"digits": digits.as_input(stack)})[0].argmax(axis=1)
    was_read = np.array([digit is not None for digit in read])
    return float(np.mean(was_read & (answers == labels)))


def draw_sheet(path: Path, files: list[bytes], read: list[Digit | None]) -> None:
    """Draw pictures above what imaging made of them."""
    sheet = Image.new("RGB", (SHOWN * CELL, 2 * CELL), "#7f8fa6")
    for column, (file, digit) in enumerate(zip(files, read, strict=True)):
        picture = Image.open(io.BytesIO(file)).convert("RGBA")
        picture.thumbnail((CELL - 8, CELL - 8))
        sheet.paste(picture, (column * CELL + 4, 4), picture)
        if digit is not None:
            found = Image.fromarray(digit).resize((CELL - 8, CELL - 8), Image.Resampling.NEAREST)
            sheet.paste(found, (column * CELL + 4, CELL + 4))
    path.parent.mkdir(exist_ok=True)
    sheet.quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()

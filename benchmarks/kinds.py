"""`python -m benchmarks.kinds`: the accuracy on each kind of image, and a contact sheet of each.

Prints the table of docs/IMAGES.md and draws the sheets next to it.
"""

import io
from pathlib import Path

from PIL import Image

from app.onnx_runtime import open_session
from app.training.datasets import load_base_sets
from app.training.evaluation_sets import make_set, preprocess_or_none
from app.training.synthetic_images import RENDERERS
from benchmarks.evaluation_images import images_of_kind, scanned_digits
from config import ROOT

SHEETS = ROOT / "docs" / "images"
SCANNED_KIND = "scikit-learn's digits, 64x64"
COLUMNS, CELL_SIDE = 8, 112


def main() -> None:
    """Evaluate both versions on every kind."""
    sessions = [
        open_session((ROOT / "models" / f"{version}.onnx").read_bytes()) for version in ("v1", "v2")
    ]
    print("| kind | images | rejected | v1 | v2 |\n| --- | --- | --- | --- | --- |")
    golden = load_base_sets().golden
    for kind in [*RENDERERS, SCANNED_KIND]:
        files, labels = scanned_digits() if kind == SCANNED_KIND else images_of_kind(kind, golden)
        evaluation_set = make_set(kind, files, labels)
        shares = [f"{evaluation_set.correct(session).mean():.2%}" for session in sessions]
        refused = int(evaluation_set.rejected.sum())
        print(f"| {kind} | {len(files):,} | {refused} | {' | '.join(shares)} |", flush=True)
        sheet = "scanned" if kind == SCANNED_KIND else kind
        draw_sheet(SHEETS / f"{sheet}.png", files[:COLUMNS])


def draw_sheet(path: Path, files: list[bytes]) -> None:
    """Draw images above their normalized form."""
    sheet = Image.new("RGB", (COLUMNS * CELL_SIDE, 2 * CELL_SIDE), "#7f8fa6")
    for column, file in enumerate(files):
        image = Image.open(io.BytesIO(file)).convert("RGBA")
        image.thumbnail((CELL_SIDE - 8, CELL_SIDE - 8))
        sheet.paste(image, (column * CELL_SIDE + 4, 4), image)
        if (digit := preprocess_or_none(file)) is not None:
            found = Image.fromarray(digit).resize(
                (CELL_SIDE - 8, CELL_SIDE - 8), Image.Resampling.NEAREST
            )
            sheet.paste(found, (column * CELL_SIDE + 4, CELL_SIDE + 4))
    path.parent.mkdir(exist_ok=True)
    sheet.quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()

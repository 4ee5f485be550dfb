"""`python -m benchmarks.other_datasets`: the accuracy on USPS and Semeion, which others scanned.

Neither comes with Cifra, and nothing is trained on or chosen with them. docs/IMAGES.md says where
the files are found. Each digit of 16x16 is enlarged to 64x64 and preprocessed as in serving; a
rejected one counts as wrong.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.training.datasets import LabeledDigits
from app.training.evaluation_sets import EvaluationSet, make_set
from benchmarks.evaluation_images import enlarged_files
from benchmarks.models import VERSIONS, accuracy_by_seed

_SIDE = 16
_PIXELS = _SIDE * _SIDE


def main() -> None:
    """Print the accuracy of both versions, and the mean of their seeds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.other_datasets")
    parser.add_argument("--usps", type=Path, metavar="FILE", help="zip.test.gz, or unpacked")
    parser.add_argument("--semeion", type=Path, metavar="FILE", help="semeion.data")
    wanted = parser.parse_args()
    if not (wanted.usps or wanted.semeion):
        parser.error("name at least one file")
    print("| data set | images | rejected | v1 | v1, mean of 5 | v2 | v2, mean of 5 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, path, read in (
        ("USPS", wanted.usps, read_usps),
        ("Semeion", wanted.semeion, read_semeion),
    ):
        if path:
            digits = read(_text(path))
            files = enlarged_files(digits.digits / np.float64(255))
            print(_row(name, make_set(name, files, digits.labels)), flush=True)


def read_usps(text: str) -> LabeledDigits:
    """Read lines of a label and 256 gray values in -1..1, light ink on dark."""
    rows = np.array([line.split() for line in text.splitlines() if line.strip()], np.float64)
    gray = (rows[:, 1 : 1 + _PIXELS] + 1) / 2
    return LabeledDigits(_to_digits(gray), rows[:, 0].astype(np.int64))


def read_semeion(text: str) -> LabeledDigits:
    """Read lines of 256 pixels, 0 or 1, and ten columns of which the label's is 1."""
    rows = np.array([line.split() for line in text.splitlines() if line.strip()], np.float64)
    labels = rows[:, _PIXELS : _PIXELS + 10].argmax(axis=1)
    return LabeledDigits(_to_digits(rows[:, :_PIXELS]), labels.astype(np.int64))


def _to_digits(gray: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip(gray, 0, 1) * 255).astype(np.uint8).reshape(-1, _SIDE, _SIDE)


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("ascii")


def _row(name: str, of: EvaluationSet) -> str:
    by_version = [accuracy_by_seed(version, of) for version in VERSIONS]
    found = [f"{share:.2%}" for shares in by_version for share in (shares[0], np.mean(shares))]
    return f"| {' | '.join([name, f'{len(of.labels):,}', str(of.rejected.sum()), *found])} |"


if __name__ == "__main__":
    main()

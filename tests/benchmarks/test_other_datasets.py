"""Reading the files of USPS and Semeion in their own formats."""

import gzip
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import other_datasets
from tests.conftest import GoldenSet


@pytest.fixture
def small(golden: GoldenSet) -> np.ndarray:
    """Return twenty golden digits as 16x16 pixels, light on dark."""
    return golden.digits[:20, 6:22, 6:22].astype(np.uint8)


def usps_file(digits: Iterable[np.ndarray], labels: np.ndarray) -> str:
    """Return digits uint8 as lines of USPS's format."""
    return "\n".join(
        f"{label} " + " ".join(f"{value / 127.5 - 1:.4f}" for value in digit.ravel()) + " "
        for digit, label in zip(digits, labels, strict=False)
    )


def test_usps_lines_are_a_label_and_gray_values_in_minus_1_to_1(
    small: np.ndarray, golden: GoldenSet
) -> None:
    found = other_datasets.read_usps(usps_file(small, golden.labels) + "\n")
    assert np.array_equal(found.labels, golden.labels[:20])
    assert np.abs(found.digits.astype(int) - small).max() <= 1


def test_semeion_lines_are_pixels_and_ten_columns_for_the_label(
    small: np.ndarray, golden: GoldenSet
) -> None:
    binary = small > 100
    lines = [
        " ".join(
            [*(f"{pixel:.4f}" for pixel in digit.ravel()), *map(str, np.eye(10, dtype=int)[label])]
        )
        for digit, label in zip(binary, golden.labels, strict=False)
    ]
    found = other_datasets.read_semeion("\n".join(lines))
    assert np.array_equal(found.labels, golden.labels[:20])
    assert np.array_equal(found.digits, binary * 255)


def test_command_prints_a_row_for_each_file(
    tmp_path: Path,
    golden: GoldenSet,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    few = [cv2.resize(digit, (16, 16)) for digit in golden.digits[:10]]
    path = tmp_path / "zip.test.gz"
    path.write_bytes(gzip.compress(usps_file(few, golden.labels).encode()))
    monkeypatch.setattr("sys.argv", ["other_datasets", "--usps", str(path)])
    other_datasets.main()
    assert "| USPS | 10 | 0 |" in capsys.readouterr().out

"""Classifier metrics, on cases that can be computed by hand."""

import numpy as np
import pytest

from app.training.datasets import LabeledDigits
from app.training.evaluation_sets import make_set
from benchmarks.classifier_metrics import auroc, expected_calibration_error, reliability
from benchmarks.evaluation_images import STRESSES, stressed_set
from benchmarks.ood_images import OOD_IMAGES
from tests.conftest import GoldenSet


def test_calibrated_model_has_no_calibration_error() -> None:
    confidences = np.repeat([0.5, 0.75], 4).astype(np.float32)
    correct = np.array([1, 0, 1, 0, 1, 1, 1, 0], dtype=bool)
    assert expected_calibration_error(confidences, correct, bins=2) == pytest.approx(0)
    assert reliability(confidences, correct, bins=2) == [(0.5, 0.5, 0.5), (0.5, 0.75, 0.75)]


def test_calibration_error_is_the_mean_absolute_gap() -> None:
    confidences = np.repeat([0.5, 0.9], 10).astype(np.float32)
    correct = np.repeat([True, False], [10, 10])
    assert expected_calibration_error(confidences, correct, bins=2) == pytest.approx(0.7)


def test_auroc_is_the_share_of_correctly_ordered_pairs() -> None:
    digits = np.array([0.9, 0.6], dtype=np.float32)
    others = np.array([0.1, 0.7], dtype=np.float32)
    assert auroc(digits, others) == 0.75


def test_rejected_image_counts_as_wrong(golden: GoldenSet) -> None:
    evaluation_set = make_set("two", [golden.png(0), b"no image"], np.array([7, 0]))
    assert evaluation_set.rejected.tolist() == [False, True]
    assert evaluation_set.images.shape == (2, 28, 28)


@pytest.mark.parametrize("name", STRESSES)
def test_stressed_digit_is_still_found_and_changed(golden: GoldenSet, name: str) -> None:
    few = LabeledDigits(golden.digits[:50], golden.labels[:50].astype(np.int64))
    plain = make_set("plain", [golden.png(index) for index in range(50)], few.labels)
    evaluation_set = stressed_set(name, few)
    # The ink network is not sure of small images with strong noise.
    assert evaluation_set.rejected.sum() <= (6 if name.startswith("noise") else 1)
    same = np.all(evaluation_set.images == plain.images, axis=(1, 2)).mean()
    assert same <= (1 if name.startswith("shifted") else 0)  # imaging takes a shift out again


@pytest.mark.parametrize("name", OOD_IMAGES)
def test_ood_images_are_reproducible_and_all_different(name: str) -> None:
    files = list(OOD_IMAGES[name]())
    assert files == list(OOD_IMAGES[name]())
    assert len(files) >= 700
    assert len(set(files)) > 0.8 * len(files)

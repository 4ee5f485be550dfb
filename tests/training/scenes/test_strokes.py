"""Drawn digits: still the same digits, as thick and as large as asked for."""

import cv2
import numpy as np
import onnxruntime
import pytest

from app.domain.errors import ImageError
from app.imaging.normalization import to_model_input
from app.imaging.page import to_levels
from app.imaging.preprocessing import preprocess_gray
from app.training.bundled_models import model_path
from app.training.datasets import LabeledDigits, load_base_sets
from app.training.scenes.strokes import draw_digit, skeleton

COUNT = 150


@pytest.fixture(scope="module")
def validation() -> LabeledDigits:
    return load_base_sets().validation


def test_drawn_digits_are_read_as_what_they_were(validation: LabeledDigits) -> None:
    rng = np.random.default_rng(1)
    images = np.zeros((COUNT, 28, 28), np.uint8)
    for index in range(COUNT):
        ink = np.pad(draw_digit(validation.digits[index], rng.uniform(20, 150), rng), 8)
        try:
            images[index] = preprocess_gray(to_levels(ink)).digit
        except ImageError:
            continue  # it stays empty, and counts as wrong
    session = onnxruntime.InferenceSession(model_path("v2", 1))
    (probabilities,) = session.run(None, {"digits": to_model_input(images)})
    assert np.mean(probabilities.argmax(axis=1) == validation.labels[:COUNT]) >= 0.96


@pytest.mark.parametrize("side", [4, 30, 300])
def test_a_drawn_digit_has_about_the_size_that_was_asked_for(
    validation: LabeledDigits, side: int
) -> None:
    rng = np.random.default_rng(2)
    sizes = [max(draw_digit(digit, side, rng).shape) for digit in validation.digits[:50]]
    assert side * 0.7 <= np.mean(sizes) <= side * 1.3 + 2
    assert max(sizes) <= side * 1.8 + 2


def test_the_middle_line_of_a_stroke_is_one_pixel_wide_and_in_one_piece() -> None:
    stroke = np.zeros((60, 60), np.uint8)
    cv2.line(stroke, (10, 50), (45, 12), 1, 9)
    line = skeleton(stroke)
    assert np.all(stroke[line > 0] == 1)
    assert cv2.connectedComponents(line)[0] == 2
    assert line.sum() <= np.hypot(35, 38) + 12
    assert cv2.erode(line, np.ones((2, 2), np.uint8)).sum() <= 5  # hardly a square of four


def test_the_middle_line_of_a_ring_is_a_ring() -> None:
    ring = np.zeros((40, 40), np.uint8)
    cv2.circle(ring, (20, 20), 12, 1, 5)
    line = skeleton(ring)
    assert cv2.connectedComponents(1 - line, connectivity=4)[0] == 3  # inside, outside, the line

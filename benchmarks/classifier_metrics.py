"""Metrics of a classifier's probabilities."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score


def expected_calibration_error(
    confidences: npt.NDArray[np.float32], correct: npt.NDArray[np.bool_], bins: int = 15
) -> float:
    """Return the mean gap between confidence, (n,), and accuracy, (n,), in 0..1.

    Over bins of equal mass: sorted by confidence, equally many predictions in each (Nixon et al.,
    2019).
    """
    return float(
        sum(
            share * abs(accuracy - confidence)
            for share, confidence, accuracy in reliability(confidences, correct, bins)
        )
    )


def reliability(
    confidences: npt.NDArray[np.float32], correct: npt.NDArray[np.bool_], bins: int = 15
) -> list[tuple[float, float, float]]:
    """Return each equal-mass bin's share, mean confidence and accuracy."""
    order = np.argsort(confidences, kind="stable")
    return [
        (len(chosen) / len(order), float(confidences[chosen].mean()), float(correct[chosen].mean()))
        for chosen in np.array_split(order, bins)
    ]


def auroc(digits: npt.NDArray[np.float32], others: npt.NDArray[np.float32]) -> float:
    """Return how often a digit gets a higher top probability than an image of no digit, in 0..1."""
    is_digit = np.repeat([1, 0], [len(digits), len(others)])
    return float(roc_auc_score(is_digit, np.concatenate([digits, others])))

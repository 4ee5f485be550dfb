"""Figures of merit of a classifier's probabilities."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score


def expected_calibration_error(
    confidences: npt.NDArray[np.float32], correct: npt.NDArray[np.bool_], bins: int = 15
) -> float:
    """Mean gap between how sure a model is, (n,), and how often it is correct, (n,), in 0..1.

    Over bins of equal mass: sorted by confidence, as many answers in each (Nixon et al., 2019).
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
    """For each bin of equal mass: its share, its mean confidence, the share that was correct."""
    order = np.argsort(confidences, kind="stable")
    return [
        (len(chosen) / len(order), float(confidences[chosen].mean()), float(correct[chosen].mean()))
        for chosen in np.array_split(order, bins)
    ]


def auroc(digits: npt.NDArray[np.float32], others: npt.NDArray[np.float32]) -> float:
    """How often a digit gets a higher top probability than a image of none, in 0..1."""
    is_digit = np.repeat([1, 0], [len(digits), len(others)])
    return float(roc_auc_score(is_digit, np.concatenate([digits, others])))

"""The plot of a model card: calibration, errors by kind of image, confidence on non-digits."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.classifier_metrics import reliability
from benchmarks.model_cards import Figures

_INK, _HIGHLIGHT = "#1f3a5f", "#d1495b"


def draw(path: Path, figures: Figures) -> None:
    """Draw three panels as an SVG file, the same bytes for the same figures."""
    mpl.rcParams["svg.hashsalt"] = "cifra"
    figure = Figure(figsize=(13, 4), layout="constrained")
    calibration, kinds, ood = figure.subplots(1, 3)
    _draw_calibration(calibration, figures)
    _draw_kinds(kinds, figures)
    _draw_ood(ood, figures)
    figure.savefig(path, metadata={"Date": None})


def _draw_calibration(axes: Axes, figures: Figures) -> None:
    _, confidences, shares = zip(*reliability(figures.confidences, figures.correct), strict=True)
    lowest = min(*confidences, *shares) - 0.005
    axes.plot([lowest, 1], [lowest, 1], color="gray", linewidth=1)
    axes.plot(confidences, shares, "o-", color=_INK)
    axes.set(
        title=f"Calibration on golden: error {figures.calibration_error:.2%}",
        xlabel="mean confidence of a bin",
        ylabel="accuracy",
    )


def _draw_kinds(axes: Axes, figures: Figures) -> None:
    errors = {name: 100 * (1 - share) for name, share in figures.kinds.items()}
    axes.barh(list(errors), list(errors.values()), color=_INK)
    axes.invert_yaxis()
    axes.set(title="Errors by kind of image", xlabel="error rate, %")


def _draw_ood(axes: Axes, figures: Figures) -> None:
    ood_confidences = np.concatenate(list(figures.ood_confidences.values()))
    bins = np.linspace(0, 1, 41).tolist()
    for name, values, color in (
        ("golden digits", figures.confidences, _INK),
        ("no digit", ood_confidences, _HIGHLIGHT),
    ):
        weights = np.full(len(values), 100 / len(values))
        axes.hist(values, bins, weights=weights, alpha=0.7, color=color, label=name)
    axes.set(
        title=f"Digits and others: AUROC {figures.auroc['all of them']:.3f}",
        xlabel="top probability",
        ylabel="% of images",
    )
    axes.legend()

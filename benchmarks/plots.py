"""The plot of a model card: calibration, accuracy by kind of picture, digits beside strangers."""

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
    calibration, kinds, strangers = figure.subplots(1, 3)
    _draw_calibration(calibration, figures)
    _draw_kinds(kinds, figures)
    _draw_ood(strangers, figures)
    figure.savefig(path, metadata={"Date": None})


def _draw_calibration(axes: Axes, figures: Figures) -> None:
    _, confidences, shares = zip(*reliability(figures.confidences, figures.right), strict=True)
    lowest = min(*confidences, *shares) - 0.005
    axes.plot([lowest, 1], [lowest, 1], color="grey", linewidth=1)
    axes.plot(confidences, shares, "o-", color=_INK)
    axes.set(
        title=f"Calibration on golden: error {figures.calibration_error:.2%}",
        xlabel="mean top probability of a bin",
        ylabel="share that was right",
    )


def _draw_kinds(axes: Axes, figures: Figures) -> None:
    errors = {name: 100 * (1 - share) for name, share in figures.kinds.items()}
    axes.barh(list(errors), list(errors.values()), color=_INK)
    axes.invert_yaxis()
    axes.set(title="Errors by kind of picture", xlabel="% read wrong")


def _draw_ood(axes: Axes, figures: Figures) -> None:
    strange = np.concatenate(list(figures.strange.values()))
    bins = np.linspace(0, 1, 41).tolist()
    for name, values, colour in (
        ("golden digits", figures.confidences, _INK),
        ("no digit", strange, _HIGHLIGHT),
    ):
        weights = np.full(len(values), 100 / len(values))
        axes.hist(values, bins, weights=weights, alpha=0.7, color=colour, label=name)
    axes.set(
        title=f"Digits and others: AUROC {figures.auroc['all of them']:.3f}",
        xlabel="top probability",
        ylabel="% of pictures",
    )
    axes.legend()

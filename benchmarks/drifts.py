"""Drift detection: false alarms on stable windows, and the delay after a real change."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from tqdm import tqdm

from app.domain.drift import PredictionWindow, compare
from app.domain.predictions import DigitImage
from app.onnx_runtime import open_session
from app.services.monitoring.drift_monitor import MIN_NEW, RECENT, REFERENCE
from app.training.bundled_models import SEEDS, model_path
from app.training.datasets import load_base_sets
from app.training.evaluation_sets import EvaluationSet, plain_set, transformed_set
from app.training.mnist_c import CORRUPTIONS
from benchmarks.results_table import Row

SEED = 20_260_901
STABLE_WINDOWS, MAX_ALARMS = 1_000, 3
SWITCHES, DETECTED_WITHIN = 200, 300


def rows() -> Iterator[Row]:
    """Measure false alarms on stable windows, and how soon a change is detected."""
    rng = np.random.default_rng(SEED)
    golden = load_base_sets().golden
    stable = _outputs(plain_set("golden", golden))
    corrupted = _outputs(transformed_set("corrupted", golden, _corrupt))
    alarms = 0
    for _ in tqdm(range(STABLE_WINDOWS), "stable windows", leave=False):
        before, after = (_sample(stable, size, rng) for size in (REFERENCE, RECENT))
        alarms += compare(before, after, rng).is_alarm
    yield Row(
        f"drift: false alarms in {STABLE_WINDOWS:,} stable windows",
        f"<= {MAX_ALARMS}",
        f"{alarms}",
        missed=alarms > MAX_ALARMS,
    )
    detected_after = [
        _detected_after(stable, corrupted, rng)
        for _ in tqdm(range(SWITCHES), "switches", leave=False)
    ]
    late = sum(after > DETECTED_WITHIN for after in detected_after)
    yield Row(
        f"drift: a switch to corrupted images is detected, of {SWITCHES}",
        f"all within {DETECTED_WITHIN} predictions",
        f"{SWITCHES - late}, median after {np.median(detected_after):.0f},"
        f" last after {max(detected_after)}",
        missed=late > 0,
    )


def _detected_after(stable: PredictionWindow, corrupted: PredictionWindow, rng: Generator) -> int:
    """Return after how many corrupted images drift is detected, checking at the service's steps."""
    reference, stable_recent = (_sample(stable, size, rng) for size in (REFERENCE, RECENT))
    later = _sample(corrupted, 2 * DETECTED_WITHIN, rng)
    for after in range(MIN_NEW, 2 * DETECTED_WITHIN + 1, MIN_NEW):
        recent = PredictionWindow(
            *(
                np.concatenate([before, now[:after]])[-RECENT:]
                for before, now in zip(
                    vars(stable_recent).values(), vars(later).values(), strict=True
                )
            )
        )
        if compare(reference, recent, rng).is_alarm:
            return after
    return 2 * DETECTED_WITHIN + MIN_NEW


def _outputs(of: EvaluationSet) -> PredictionWindow:
    """Return the outputs of both bundled models on a set."""
    v1, v2 = (
        of.probabilities(open_session(model_path(version, SEEDS[0]).read_bytes()))
        for version in ("v1", "v2")
    )
    differ: npt.NDArray[np.bool_] = v1.argmax(axis=1) != v2.argmax(axis=1)
    return PredictionWindow(v2.argmax(axis=1), v2.max(axis=1), differ.astype(np.float32))


def _sample(answers: PredictionWindow, size: int, rng: Generator) -> PredictionWindow:
    chosen = rng.integers(0, len(answers.digits), size)
    return PredictionWindow(*(array[chosen] for array in vars(answers).values()))


def _corrupt(digit: DigitImage, rng: Generator) -> DigitImage:
    """Apply a random one of MNIST-C's fifteen corruptions."""
    return list(CORRUPTIONS.values())[rng.integers(len(CORRUPTIONS))](digit, rng)

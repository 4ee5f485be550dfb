"""Retrain scenarios: an application, labeled images, retrains, and v2's accuracy after them."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from flask import Flask

from app.domain.assignment import Version
from app.domain.predictions import DigitImage
from app.onnx_runtime import open_session
from app.services.models import registry
from app.services.retraining import jobs
from app.services.retraining.training_process import TrainingConfig
from app.services.retraining.worker import run_pending
from app.training.datasets import LabeledDigits, load_base_sets, preprocess_all
from app.training.evaluation_sets import EvaluationSet
from app.training.fine_tuning import FINE_TUNE_CONFIG
from benchmarks.styles import outline
from config import child_environment
from tests.conftest import bootstrapped_app, make_config
from tests.support.review_data import create_submitters, label_images

STYLE_IMAGES = 1_000
TIME_LIMIT_S = 900


@dataclass(frozen=True)
class Accuracies:
    """v2's accuracy on the golden set and on outlined digits."""

    golden: float
    style: float


@dataclass(frozen=True)
class RetrainResult:
    """The result of a retrain, with v2's accuracies before and after it."""

    status: str
    error: str
    seconds: float
    before: Accuracies
    after: Accuracies

    @property
    def golden_lost(self) -> float:
        """Return the golden accuracy lost, in percentage points."""
        return 100 * (self.before.golden - self.after.golden)


class Scenario:
    """An application with its own database, whose reviewers label as they are told."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app = app
        self._workshop = TrainingConfig(
            folder / "retrains", FINE_TUNE_CONFIG.steps, 1, TIME_LIMIT_S, child_environment()
        )
        self._group_count = 0

    def label(self, images: Sequence[DigitImage], digits: Sequence[int], senders: int) -> None:
        """Have images sent by new accounts and labeled with these digits."""
        self._group_count += 1
        made = create_submitters(self.app, senders, f"group{self._group_count}-")
        label_images(self.app, images, digits, made)

    def retrain(self) -> RetrainResult:
        """Request a retrain of v2 and run it."""
        before = self.accuracies()
        with self.app.app_context():
            requested = jobs.create(1, Version.V2, "auto")
            run_pending(self._workshop, threading.Event())
            job = jobs.get(requested.id)
        if job.started_at is None or job.finished_at is None:
            raise RuntimeError(f"the retrain is {job.status}")
        seconds = (job.finished_at - job.started_at).total_seconds()
        return RetrainResult(job.status, job.error or "", seconds, before, self.accuracies())

    def accuracies(self) -> Accuracies:
        """Return v2's current accuracies."""
        with self.app.app_context():
            artifact = registry.get_artifact(registry.deployment_history_ids(Version.V2)[0])
        session = open_session(artifact.onnx)
        return Accuracies(*(float(of.correct(session).mean()) for of in _evaluation_sets()))


@contextmanager
def new_scenario() -> Iterator[Scenario]:
    """Create a scenario that ends with the block."""
    with TemporaryDirectory() as folder:
        config = make_config(Path(folder), RATELIMIT_ENABLED="false")
        with bootstrapped_app(config) as app:
            yield Scenario(app, Path(folder))


@cache
def training_digits() -> LabeledDigits:
    """Return MNIST's training set, from which labeled images are made."""
    return load_base_sets().training


def outlines(indexes: npt.NDArray[np.int64]) -> list[DigitImage]:
    """Return training digits as outlines, as image files would contain them."""
    return [outline(training_digits().digits[index]) for index in indexes]


@cache
def _evaluation_sets() -> tuple[EvaluationSet, EvaluationSet]:
    """Return the golden set, and outlined digits of the validation set, which are never labeled."""
    sets = load_base_sets()
    golden = preprocess_all(sets.golden.digits, "golden")
    shown = sets.validation.digits[:STYLE_IMAGES]
    style = preprocess_all(np.stack([outline(digit) for digit in shown]), "outlines")
    return _evaluation_set(golden, sets.golden.labels), _evaluation_set(
        style, sets.validation.labels[:STYLE_IMAGES]
    )


def _evaluation_set(digits: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> EvaluationSet:
    return EvaluationSet(digits, ~digits.any(axis=(1, 2)), labels)

"""A candidate: a model that serves, taught people's labels beside what it was trained on before.

Each batch has as many pictures of every digit, and at least half of it is replayed from the base
training set, so that labels of one digit alone, or few of them, cannot drown the rest.
"""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from app.imaging.normalization import to_model_input
from app.training.architectures import Net
from app.training.augmentation import augment
from app.training.datasets import LabeledDigits, preprocess_all
from app.training.out_of_distribution import make_non_digit
from app.training.training_loop import Optimizer, Recipe, random_affine

DIGITS = 10
_Images = npt.NDArray[np.uint8]

ProgressCallback = Callable[[float, float, float], None]
"""Told how far it is: a share of 1, the loss, and the seconds that are left."""


@dataclass(frozen=True)
class FineTuneConfig:
    """How a candidate is taught.

    `most_sights` is how often one label is seen at most; `kept` is how much of its weights a
    candidate keeps from the model that it started from.
    """

    steps: int = 600
    batch_size: int = 120
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    ema_decay: float = 0.995
    kept: float = 0.5
    label_share: float = 0.3
    max_repeats: int = 150
    augmented_share: float = 0.15
    non_digit_share: float = 0.05
    augmented_digits: int = 6_000
    label_smoothing: float = 0.02


FINE_TUNE_CONFIG = FineTuneConfig()


@dataclass(frozen=True)
class Replay:
    """What the base training gave, as imaging gives it: digits, varied digits, and none."""

    plain: LabeledDigits
    augmented: LabeledDigits
    others: _Images


def make_replay(base: LabeledDigits, course: FineTuneConfig, seed: int) -> Replay:
    """Pass the base training set through imaging, and vary some of it anew."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(base.labels))[: course.augmented_digits]
    return Replay(
        LabeledDigits(preprocess_all(base.digits, "digits"), base.labels),
        LabeledDigits(
            np.stack([augment(base.digits[index], rng) for index in chosen]), base.labels[chosen]
        ),
        np.stack([make_non_digit(base.digits[index], rng) for index in chosen[::10]]),
    )


def fine_tune(
    net: Net,
    lessons: LabeledDigits,
    replay: Replay,
    course: FineTuneConfig,
    seed: int,
    report: ProgressCallback,
) -> Net:
    """Teach a net the lessons; returns a net between what it was and what it became.

    Weights halfway to a fine-tuned net have learned most of what is new and forgotten little of
    what was known (Wortsman et al., 2022).
    """
    start = copy.deepcopy(net)
    torch.manual_seed(seed)
    descent = Optimizer(net, course.steps, course)
    rng, movement = torch.Generator().manual_seed(seed), Recipe(1, course.learning_rate)
    started_at_s = time.monotonic()
    net.train()
    batches = _batches(lessons, replay, course, np.random.default_rng(seed))
    for step, (pictures, targets) in enumerate(batches, start=1):
        inputs = random_affine(torch.from_numpy(to_model_input(pictures)), movement, rng)
        loss = descent.step(inputs, torch.from_numpy(targets))
        spent_s = time.monotonic() - started_at_s
        report(step / course.steps, loss, spent_s / step * (course.steps - step))
    return _interpolate(descent.averaged(), start, course.kept)


@torch.no_grad()
def _interpolate(taught: Net, start: Net, kept: float) -> Net:
    for weights, before in zip(taught.parameters(), start.parameters(), strict=True):
        weights.lerp_(before, kept)
    return taught


def _batches(
    lessons: LabeledDigits, replay: Replay, course: FineTuneConfig, rng: np.random.Generator
) -> Iterator[tuple[_Images, npt.NDArray[np.float32]]]:
    """Pictures uint8 (n, 28, 28) with targets float32 (n, 10)."""
    smoothing = np.float32(course.label_smoothing)
    sure = np.eye(DIGITS, dtype=np.float32) * (1 - smoothing) + smoothing / DIGITS
    each = course.batch_size // DIGITS
    others = round(course.batch_size * course.non_digit_share)
    drawn = [_ClassSampler.of(lessons, replay, course, digit) for digit in range(DIGITS)]
    for _ in range(course.steps):
        pictures = np.concatenate([of.draw(each, rng) for of in drawn])
        targets = np.repeat(sure, each, axis=0)
        order = rng.permutation(len(targets))
        none = replay.others[rng.integers(0, len(replay.others), others)]
        unsure = np.full((others, DIGITS), 1 / DIGITS, dtype=np.float32)
        yield np.concatenate([pictures[order], none]), np.concatenate([targets[order], unsure])


@dataclass(frozen=True)
class _ClassSampler:
    """Where pictures of one digit are drawn from, and how many of a batch's are lessons."""

    lessons: _Images
    augmented: _Images
    plain: _Images
    label_share: float
    augmented_share: float

    @classmethod
    def of(
        cls, lessons: LabeledDigits, replay: Replay, course: FineTuneConfig, digit: int
    ) -> "_ClassSampler":
        own = lessons.digits[lessons.labels == digit]
        sights = course.steps * course.batch_size / DIGITS
        return cls(
            own,
            replay.augmented.digits[replay.augmented.labels == digit],
            replay.plain.digits[replay.plain.labels == digit],
            min(course.label_share, len(own) * course.max_repeats / sights),
            course.augmented_share,
        )

    def draw(self, count: int, rng: np.random.Generator) -> _Images:
        """Pictures uint8 (count, 28, 28); a share's part of one is left to chance."""
        lessons = min(int(count * self.label_share + rng.random()), count // 2)
        varied_count = int((count - lessons) * self.augmented_share + rng.random())
        counts = (lessons, varied_count, count - lessons - varied_count)
        sources = (self.lessons, self.augmented, self.plain)
        return np.concatenate(
            [
                source[rng.integers(0, len(source), taken)]
                for source, taken in zip(sources, counts, strict=True)
                if taken
            ]
        )

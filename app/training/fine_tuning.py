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

from app.imaging.normalization import as_input
from app.training.architectures import Net
from app.training.augmentation import varied
from app.training.datasets import LabelledDigits, as_served
from app.training.out_of_distribution import unlike_any_digit
from app.training.training_loop import Descent, Recipe, moved

DIGITS = 10
_Pictures = npt.NDArray[np.uint8]

Report = Callable[[float, float, float], None]
"""Told how far it is: a share of 1, the loss, and the seconds that are left."""


@dataclass(frozen=True)
class Course:
    """How a candidate is taught.

    `most_sights` is how often one label is seen at most; `kept` is how much of its weights a
    candidate keeps from the model that it started from.
    """

    steps: int = 600
    batch_size: int = 120
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    averaging: float = 0.995
    kept: float = 0.5
    lessons_share: float = 0.3
    most_sights: int = 150
    varied_share: float = 0.15
    others_share: float = 0.05
    varied_digits: int = 6_000
    label_smoothing: float = 0.02


COURSE = Course()


@dataclass(frozen=True)
class Replay:
    """What the base training gave, as imaging gives it: digits, varied digits, and none."""

    plain: LabelledDigits
    varied: LabelledDigits
    others: _Pictures


def make_replay(base: LabelledDigits, course: Course, seed: int) -> Replay:
    """Pass the base training set through imaging, and vary some of it anew."""
    dice = np.random.default_rng(seed)
    chosen = dice.permutation(len(base.labels))[: course.varied_digits]
    return Replay(
        LabelledDigits(as_served(base.digits, "digits"), base.labels),
        LabelledDigits(
            np.stack([varied(base.digits[index], dice) for index in chosen]), base.labels[chosen]
        ),
        np.stack([unlike_any_digit(base.digits[index], dice) for index in chosen[::10]]),
    )


def learn(
    net: Net, lessons: LabelledDigits, replay: Replay, course: Course, seed: int, report: Report
) -> Net:
    """Teach a net the lessons; returns a net between what it was and what it became.

    Weights halfway to a fine-tuned net have learned most of what is new and forgotten little of
    what was known (Wortsman et al., 2022).
    """
    start = copy.deepcopy(net)
    torch.manual_seed(seed)
    descent = Descent(net, course.steps, course)
    dice, movement = torch.Generator().manual_seed(seed), Recipe(1, course.learning_rate)
    begun_s = time.monotonic()
    net.train()
    batches = _batches(lessons, replay, course, np.random.default_rng(seed))
    for step, (pictures, targets) in enumerate(batches, start=1):
        inputs = moved(torch.from_numpy(as_input(pictures)), movement, dice)
        loss = descent.step(inputs, torch.from_numpy(targets))
        spent_s = time.monotonic() - begun_s
        report(step / course.steps, loss, spent_s / step * (course.steps - step))
    return _between(descent.averaged(), start, course.kept)


@torch.no_grad()
def _between(taught: Net, start: Net, kept: float) -> Net:
    for weights, before in zip(taught.parameters(), start.parameters(), strict=True):
        weights.lerp_(before, kept)
    return taught


def _batches(
    lessons: LabelledDigits, replay: Replay, course: Course, dice: np.random.Generator
) -> Iterator[tuple[_Pictures, npt.NDArray[np.float32]]]:
    """Pictures uint8 (n, 28, 28) with targets float32 (n, 10)."""
    smoothing = np.float32(course.label_smoothing)
    sure = np.eye(DIGITS, dtype=np.float32) * (1 - smoothing) + smoothing / DIGITS
    each = course.batch_size // DIGITS
    others = round(course.batch_size * course.others_share)
    drawn = [_Drawn.of(lessons, replay, course, digit) for digit in range(DIGITS)]
    for _ in range(course.steps):
        pictures = np.concatenate([of.draw(each, dice) for of in drawn])
        targets = np.repeat(sure, each, axis=0)
        order = dice.permutation(len(targets))
        none = replay.others[dice.integers(0, len(replay.others), others)]
        unsure = np.full((others, DIGITS), 1 / DIGITS, dtype=np.float32)
        yield np.concatenate([pictures[order], none]), np.concatenate([targets[order], unsure])


@dataclass(frozen=True)
class _Drawn:
    """Where pictures of one digit are drawn from, and how many of a batch's are lessons."""

    lessons: _Pictures
    varied: _Pictures
    plain: _Pictures
    lessons_share: float
    varied_share: float

    @classmethod
    def of(cls, lessons: LabelledDigits, replay: Replay, course: Course, digit: int) -> "_Drawn":
        own = lessons.digits[lessons.labels == digit]
        sights = course.steps * course.batch_size / DIGITS
        return cls(
            own,
            replay.varied.digits[replay.varied.labels == digit],
            replay.plain.digits[replay.plain.labels == digit],
            min(course.lessons_share, len(own) * course.most_sights / sights),
            course.varied_share,
        )

    def draw(self, count: int, dice: np.random.Generator) -> _Pictures:
        """Pictures uint8 (count, 28, 28); a share's part of one is left to chance."""
        lessons = min(int(count * self.lessons_share + dice.random()), count // 2)
        varied_count = int((count - lessons) * self.varied_share + dice.random())
        counts = (lessons, varied_count, count - lessons - varied_count)
        sources = (self.lessons, self.varied, self.plain)
        return np.concatenate(
            [
                source[dice.integers(0, len(source), taken)]
                for source, taken in zip(sources, counts, strict=True)
                if taken
            ]
        )

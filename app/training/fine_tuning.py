"""Fine-tuning of a candidate on reviewers' labels, with replay of the base training set.

Every digit occurs equally often in each batch, and at least half of a batch is replayed, so that
few labels, or labels of a single digit, cannot dominate.
"""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from app.imaging.normalization import to_model_input
from app.training.architectures import Net
from app.training.augmentation import augment
from app.training.datasets import LabeledDigits, preprocess_all
from app.training.out_of_distribution import make_non_digit
from app.training.training_loop import Optimizer, Recipe, random_affine

DIGITS = 10
_Images = npt.NDArray[np.uint8]

ProgressCallback = Callable[[float, float, float], None]
"""Called with the progress in 0..1, the loss, and the seconds left."""


@dataclass(frozen=True)
class FineTuneConfig:
    """Hyperparameters of fine-tuning.

    `max_repeats` limits how often one label is seen; `start_weight` is the weight of the starting
    model in the final average of the weights.
    """

    steps: int = 600
    batch_size: int = 120
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    ema_decay: float = 0.995
    start_weight: float = 0.5
    label_share: float = 0.3
    max_repeats: int = 150
    augmented_share: float = 0.15
    non_digit_share: float = 0.05
    augmented_digits: int = 6_000
    label_smoothing: float = 0.02


FINE_TUNE_CONFIG = FineTuneConfig()


@dataclass(frozen=True)
class Replay:
    """Preprocessed images of the base training: plain digits, augmented digits, and no digits."""

    plain: LabeledDigits
    augmented: LabeledDigits
    non_digits: _Images


def make_replay(base: LabeledDigits, config: FineTuneConfig, seed: int) -> Replay:
    """Preprocess as much of the base training set as is sampled, and augment a part of it."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(base.labels))
    sampled = config.steps * config.batch_size  # no more images are needed, of either kind
    chosen = order[: min(config.augmented_digits, round(sampled * config.augmented_share))]
    plain = np.sort(order[:sampled])
    return Replay(
        LabeledDigits(preprocess_all(base.digits[plain], "digits"), base.labels[plain]),
        LabeledDigits(
            np.stack([augment(base.digits[index], rng) for index in chosen]), base.labels[chosen]
        ),
        np.stack([make_non_digit(base.digits[index], rng) for index in chosen[::10]]),
    )


def fine_tune(
    net: Net,
    train: LabeledDigits,
    replay: Replay,
    config: FineTuneConfig,
    seed: int,
    on_progress: ProgressCallback,
) -> Net:
    """Fine-tune a network on labels; return the average of its weights before and after.

    Averaged weights have learned most of what is new and forgotten little of what was known
    (Wortsman et al., 2022).
    """
    start = copy.deepcopy(net)
    torch.manual_seed(seed)
    optimizer = Optimizer(net, config.steps, config)
    rng, affine_recipe = torch.Generator().manual_seed(seed), Recipe(1, config.learning_rate)
    started_at_s = time.monotonic()
    net.train()
    batches = _batches(train, replay, config, np.random.default_rng(seed))
    for step, (images, targets) in enumerate(batches, start=1):
        inputs = random_affine(torch.from_numpy(to_model_input(images)), affine_recipe, rng)
        loss = optimizer.step(functional.cross_entropy(net(inputs), torch.from_numpy(targets)))
        elapsed_s = time.monotonic() - started_at_s
        on_progress(step / config.steps, loss, elapsed_s / step * (config.steps - step))
    return _interpolate(optimizer.averaged_net(), start, config.start_weight)


@torch.no_grad()
def _interpolate(tuned: Net, start: Net, start_weight: float) -> Net:
    for weights, before in zip(tuned.parameters(), start.parameters(), strict=True):
        weights.lerp_(before, start_weight)
    return tuned


def _batches(
    train: LabeledDigits, replay: Replay, config: FineTuneConfig, rng: np.random.Generator
) -> Iterator[tuple[_Images, npt.NDArray[np.float32]]]:
    """Yield images uint8 (n, 28, 28) with targets float32 (n, 10)."""
    smoothing = np.float32(config.label_smoothing)
    targets_by_digit = np.eye(DIGITS, dtype=np.float32) * (1 - smoothing) + smoothing / DIGITS
    per_digit = config.batch_size // DIGITS
    non_digits = round(config.batch_size * config.non_digit_share)
    samplers = [_ClassSampler.for_digit(train, replay, config, digit) for digit in range(DIGITS)]
    for _ in range(config.steps):
        images = np.concatenate([sampler.sample(per_digit, rng) for sampler in samplers])
        targets = np.repeat(targets_by_digit, per_digit, axis=0)
        order = rng.permutation(len(targets))
        none = replay.non_digits[rng.integers(0, len(replay.non_digits), non_digits)]
        uniform = np.full((non_digits, DIGITS), 1 / DIGITS, dtype=np.float32)
        yield np.concatenate([images[order], none]), np.concatenate([targets[order], uniform])


@dataclass(frozen=True)
class _ClassSampler:
    """A sampler of images of one digit, from the labels and from the replay."""

    train: _Images
    augmented: _Images
    plain: _Images
    label_share: float
    augmented_share: float

    @classmethod
    def for_digit(
        cls, train: LabeledDigits, replay: Replay, config: FineTuneConfig, digit: int
    ) -> "_ClassSampler":
        labeled = train.digits[train.labels == digit]
        draws_per_digit = config.steps * config.batch_size / DIGITS
        return cls(
            labeled,
            replay.augmented.digits[replay.augmented.labels == digit],
            replay.plain.digits[replay.plain.labels == digit],
            min(config.label_share, len(labeled) * config.max_repeats / draws_per_digit),
            config.augmented_share,
        )

    def sample(self, count: int, rng: np.random.Generator) -> _Images:
        """Return images uint8 (count, 28, 28); fractional counts are rounded at random."""
        train_count = min(int(count * self.label_share + rng.random()), count // 2)
        augmented_count = int((count - train_count) * self.augmented_share + rng.random())
        counts = (train_count, augmented_count, count - train_count - augmented_count)
        sources = (self.train, self.augmented, self.plain)
        return np.concatenate(
            [
                source[rng.integers(0, len(source), size)]
                for source, size in zip(sources, counts, strict=True)
                if size
            ]
        )

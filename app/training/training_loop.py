"""The training loop: a net, a pool of pictures and a recipe in, a fitted net out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from tqdm import tqdm

from app.imaging.normalization import to_model_input
from app.training.architectures import Net
from app.training.augmented_pool import AugmentedPool

_CLASSES = 10


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a fit makes of a pool; written down in the card.

    Of each batch a share is pictures of no digit, whose target is even, a share is digits varied
    before imaging, and the rest digits as they are; all are then moved a little.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 128
    weight_decay: float = 1e-2
    label_smoothing: float = 0.02
    ema_decay: float = 0.999
    non_digit_share: float = 0.05
    augmented_share: float = 0.15
    rotation_degrees: float = 12.0
    scaling: float = 0.12
    shearing: float = 0.15
    shift_pixels: float = 1.5


class OptimizerConfig(Protocol):
    """What decides how far a net moves."""

    @property
    def learning_rate(self) -> float:
        """The highest of the cycle."""

    @property
    def weight_decay(self) -> float:
        """AdamW's."""

    @property
    def ema_decay(self) -> float:
        """How much of the average stays at each step."""


class Optimizer:
    """AdamW under a one-cycle learning rate, with the running average of the weights."""

    def __init__(self, net: Net, steps: int, rates: OptimizerConfig) -> None:
        self._net = net
        self._optimiser = torch.optim.AdamW(net.parameters(), weight_decay=rates.weight_decay)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, rates.learning_rate, steps
        )
        self.average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(rates.ema_decay))

    def step(self, inputs: torch.Tensor, targets: torch.Tensor) -> float:
        """Learn from a batch, targets float32 (n, 10); gives its loss."""
        loss = functional.cross_entropy(self._net(inputs), targets)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._schedule.step()
        self.average.update_parameters(self._net)
        return loss.item()

    def averaged(self) -> Net:
        """The net with the averaged weights. Raises TypeError where it is no sequence of layers."""
        if not isinstance(self.average.module, torch.nn.Sequential):
            raise TypeError(f"expected layers, not {type(self.average.module).__name__}")
        return self.average.module


def fit(net: Net, pool: AugmentedPool, recipe: Recipe, seed: int) -> Net:
    """Fit a net to a pool; returns the running average of its weights.

    The averaged net's batch norms are settled on the digits as they are, which is what it will see.
    """
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    steps = recipe.epochs * (len(pool.labels) // recipe.batch_size)
    descent = Optimizer(net, steps, recipe)
    rng = torch.Generator().manual_seed(seed)
    net.train()
    with tqdm(total=steps, desc=f"seed {seed}", unit="batch", mininterval=5) as progress:
        for digits, targets in _batches(pool, recipe, np.random.default_rng(seed)):
            inputs = random_affine(torch.from_numpy(to_model_input(digits)), recipe, rng)
            loss = descent.step(inputs, torch.from_numpy(targets))
            progress.update()
            progress.set_postfix(loss=f"{loss:.4f}", refresh=False)
    settled = torch.split(torch.from_numpy(to_model_input(pool.digits)), recipe.batch_size)
    update_bn(settled, descent.average)
    return descent.averaged()


@torch.inference_mode()
def compute_logits(net: Net, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits float32 (n, 10) for digits uint8 (n, 28, 28)."""
    net.eval()
    parts = np.array_split(digits, max(1, len(digits) // 1_000))
    return np.concatenate([net(torch.from_numpy(to_model_input(part))).numpy() for part in parts])


def _batches(
    pool: AugmentedPool, recipe: Recipe, rng: np.random.Generator
) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]]:
    """Shuffle each epoch; the rest that fills no batch sits it out."""
    smoothing = recipe.label_smoothing
    sure = np.eye(_CLASSES, dtype=np.float32) * (1 - smoothing) + np.float32(smoothing / _CLASSES)
    non_digits = round(recipe.batch_size * recipe.non_digit_share)
    plain = non_digits + round(recipe.batch_size * recipe.augmented_share)
    for epoch in range(recipe.epochs):
        augmented = pool.augmented[epoch % len(pool.augmented)]
        order = rng.permutation(len(pool.labels))
        whole = order[: len(order) // recipe.batch_size * recipe.batch_size]
        for chosen in whole.reshape(-1, recipe.batch_size):
            targets = sure[pool.labels[chosen]]
            targets[:non_digits] = 1 / _CLASSES
            none = pool.non_digits[rng.integers(0, len(pool.non_digits), non_digits)]
            yield (
                np.concatenate(
                    [none, augmented[chosen[non_digits:plain]], pool.digits[chosen[plain:]]]
                ),
                targets,
            )


def random_affine(inputs: torch.Tensor, recipe: Recipe, rng: torch.Generator) -> torch.Tensor:
    """Rotate, scale, shear and shift each digit of (n, 1, 28, 28) a little."""

    def uniform(limit: float) -> torch.Tensor:
        return (torch.rand(len(inputs), generator=rng) * 2 - 1) * limit

    angle = torch.deg2rad(uniform(recipe.rotation_degrees))
    shear, shift = uniform(recipe.shearing), recipe.shift_pixels * 2 / inputs.shape[-1]
    across, down = 1 + uniform(recipe.scaling), 1 + uniform(recipe.scaling)
    rows = (
        torch.stack([across * angle.cos(), -angle.sin() + shear, uniform(shift)], dim=1),
        torch.stack([angle.sin(), down * angle.cos(), uniform(shift)], dim=1),
    )
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(inputs.shape), align_corners=False)
    return functional.grid_sample(inputs, grid, align_corners=False)

"""The training loop of the bundled models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

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

_Network = TypeVar("_Network", bound=torch.nn.Module)


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of training, listed in the model card.

    Of each batch a share is images of no digit, with a uniform target, a share is digits augmented
    before preprocessing, and the rest plain digits; then a random affine transformation is applied.
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
    """The hyperparameters that the optimizer needs."""

    @property
    def learning_rate(self) -> float:
        """The maximum of the one-cycle schedule."""

    @property
    def weight_decay(self) -> float:
        """The weight decay of AdamW."""

    @property
    def ema_decay(self) -> float:
        """The decay of the exponential moving average of the weights."""


class Optimizer(Generic[_Network]):
    """AdamW with a one-cycle learning rate and an exponential moving average of the weights."""

    def __init__(
        self,
        net: _Network,
        steps: int,
        rates: OptimizerConfig,
        *,
        average_buffers: bool = False,
    ) -> None:
        self._net = net
        self._optimizer = torch.optim.AdamW(net.parameters(), weight_decay=rates.weight_decay)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, rates.learning_rate, steps
        )
        self.average = AveragedModel(
            net,
            multi_avg_fn=get_ema_multi_avg_fn(rates.ema_decay),
            use_buffers=average_buffers,
        )

    def step(self, loss: torch.Tensor) -> float:
        """Take one step down the gradient of a batch's loss; return the loss."""
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._schedule.step()
        self.average.update_parameters(self._net)
        return loss.item()

    def averaged_net(self) -> _Network:
        """Return the network with the averaged weights. Raises TypeError if it is another one."""
        if not isinstance(self.average.module, type(self._net)):
            raise TypeError(f"expected a network, not {type(self.average.module).__name__}")
        return self.average.module


def fit(net: Net, pool: AugmentedPool, recipe: Recipe, seed: int) -> Net:
    """Train a network on a pool; return the moving average of its weights.

    The averaged network's batch norm statistics are recomputed on plain digits, its later input.
    """
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    steps = recipe.epochs * (len(pool.labels) // recipe.batch_size)
    optimizer = Optimizer(net, steps, recipe)
    rng = torch.Generator().manual_seed(seed)
    net.train()
    with tqdm(total=steps, desc=f"seed {seed}", unit="batch", mininterval=5) as progress:
        for digits, targets in _batches(pool, recipe, np.random.default_rng(seed)):
            inputs = random_affine(torch.from_numpy(to_model_input(digits)), recipe, rng)
            loss = optimizer.step(functional.cross_entropy(net(inputs), torch.from_numpy(targets)))
            progress.update()
            progress.set_postfix(loss=f"{loss:.4f}", refresh=False)
    batches = torch.split(torch.from_numpy(to_model_input(pool.digits)), recipe.batch_size)
    update_bn(batches, optimizer.average)
    return optimizer.averaged_net()


@torch.inference_mode()
def compute_logits(net: Net, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the logits float32 (n, 10) for digits uint8 (n, 28, 28)."""
    net.eval()
    parts = np.array_split(digits, max(1, len(digits) // 1_000))
    return np.concatenate([net(torch.from_numpy(to_model_input(part))).numpy() for part in parts])


def _batches(
    pool: AugmentedPool, recipe: Recipe, rng: np.random.Generator
) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]]:
    """Yield shuffled batches of each epoch, without the last incomplete one."""
    smoothing = recipe.label_smoothing
    targets_by_digit = np.eye(_CLASSES, dtype=np.float32) * (1 - smoothing) + np.float32(
        smoothing / _CLASSES
    )
    non_digits = round(recipe.batch_size * recipe.non_digit_share)
    plain = non_digits + round(recipe.batch_size * recipe.augmented_share)
    for epoch in range(recipe.epochs):
        augmented = pool.augmented[epoch % len(pool.augmented)]
        order = rng.permutation(len(pool.labels))
        whole = order[: len(order) // recipe.batch_size * recipe.batch_size]
        for chosen in whole.reshape(-1, recipe.batch_size):
            targets = targets_by_digit[pool.labels[chosen]]
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

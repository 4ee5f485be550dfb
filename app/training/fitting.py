"""The training loop: a net, labelled digits and a recipe in, a fitted net out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from tqdm import tqdm

from app.imaging.digits import as_input
from app.training.nets import Net
from app.training.sets import LabelledDigits


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what training gives, with the seed; written down in the card."""

    epochs: int
    learning_rate: float
    batch_size: int = 128
    weight_decay: float = 1e-2
    label_smoothing: float = 0.02
    averaging: float = 0.999
    rotation_degrees: float = 12.0
    scaling: float = 0.12
    shearing: float = 0.15
    shift_pixels: float = 1.5
    seed: int = 1


def fit(net: Net, digits: LabelledDigits, recipe: Recipe) -> Net:
    """Fit a net to labelled digits; returns the running average of its weights, ready to serve."""
    inputs, labels = torch.from_numpy(as_input(digits.digits)), torch.from_numpy(digits.labels)
    dice = torch.Generator().manual_seed(recipe.seed)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (len(labels) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, steps)
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging))
    progress = tqdm(total=steps, desc="training", unit="batch")
    for epoch in range(recipe.epochs):
        net.train()
        for chosen in _batches(len(labels), recipe.batch_size, dice):
            logits = net(_vary(inputs[chosen], recipe, dice))
            loss = functional.cross_entropy(
                logits, labels[chosen], label_smoothing=recipe.label_smoothing
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            average.update_parameters(net)
            progress.update()
        progress.set_postfix(epoch=epoch + 1, loss=f"{loss.item():.4f}")
    progress.close()
    update_bn(torch.split(inputs, recipe.batch_size), average)
    return _sequence(average.module)


@torch.inference_mode()
def predict(net: Net, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Probabilities float32 (n, 10) for digits uint8 (n, 28, 28)."""
    net.eval()
    parts = torch.split(torch.from_numpy(as_input(digits)), 1_000)
    return np.concatenate([net(part).softmax(dim=1).numpy() for part in parts])


def _batches(count: int, size: int, dice: torch.Generator) -> Iterator[torch.Tensor]:
    """Shuffle once; the rest that fills no batch sits this epoch out."""
    order = torch.randperm(count, generator=dice)
    yield from torch.split(order[: count // size * size], size)


def _vary(inputs: torch.Tensor, recipe: Recipe, dice: torch.Generator) -> torch.Tensor:
    """Rotate, scale, shear and shift each digit of (n, 1, 28, 28) a little."""

    def uniform(limit: float) -> torch.Tensor:
        return (torch.rand(len(inputs), generator=dice) * 2 - 1) * limit

    angle = torch.deg2rad(uniform(recipe.rotation_degrees))
    shear, shift = uniform(recipe.shearing), recipe.shift_pixels * 2 / inputs.shape[-1]
    across, down = 1 + uniform(recipe.scaling), 1 + uniform(recipe.scaling)
    rows = (
        torch.stack([across * angle.cos(), -angle.sin() + shear, uniform(shift)], dim=1),
        torch.stack([angle.sin(), down * angle.cos(), uniform(shift)], dim=1),
    )
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(inputs.shape), align_corners=False)
    return functional.grid_sample(inputs, grid, align_corners=False)


def _sequence(module: nn.Module) -> Net:
    if not isinstance(module, nn.Sequential):
        raise TypeError(f"expected a sequence of layers, not {type(module).__name__}")
    return module

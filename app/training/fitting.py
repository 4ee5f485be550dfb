"""The training loop: a net, a pool of pictures and a recipe in, a fitted net out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from tqdm import tqdm

from app.imaging.digits import as_input
from app.training.nets import Net
from app.training.pools import Pool


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a fit makes of a pool; written down in the card."""

    epochs: int
    learning_rate: float
    softness: float = 1.0  # the temperature at which a teacher's word is compared with the net's
    batch_size: int = 128
    weight_decay: float = 1e-2
    averaging: float = 0.999


def fit(net: Net, pool: Pool, recipe: Recipe, seed: int) -> Net:
    """Fit a net to a pool, an epoch a pass; returns the running average of its weights."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (pool.digits.shape[1] // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, steps)
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging))
    net.train()
    with tqdm(total=steps, desc=f"seed {seed}", unit="batch", mininterval=5) as progress:
        for inputs, targets in _batches(pool, recipe, seed):
            loss = functional.cross_entropy(net(inputs) / recipe.softness, targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            average.update_parameters(net)
            progress.update()
            progress.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
    update_bn(torch.split(torch.from_numpy(as_input(pool.digits[0])), recipe.batch_size), average)
    return _sequence(average.module)


@torch.inference_mode()
def logits(net: Net, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits float32 (n, 10) for digits uint8 (n, 28, 28)."""
    net.eval()
    parts = np.array_split(digits, max(1, len(digits) // 1_000))
    return np.concatenate([net(torch.from_numpy(as_input(part))).numpy() for part in parts])


def _batches(pool: Pool, recipe: Recipe, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Shuffle each pass; the rest that fills no batch sits this epoch out."""
    dice = np.random.default_rng(seed)
    passes, count = pool.digits.shape[:2]
    for epoch in range(recipe.epochs):
        digits, targets = pool.digits[epoch % passes], pool.targets[epoch % passes]
        whole = dice.permutation(count)[: count // recipe.batch_size * recipe.batch_size]
        for chosen in whole.reshape(-1, recipe.batch_size):
            yield torch.from_numpy(as_input(digits[chosen])), torch.from_numpy(targets[chosen])


def _sequence(module: torch.nn.Module) -> Net:
    if not isinstance(module, torch.nn.Sequential):
        raise TypeError(f"expected a sequence of layers, not {type(module).__name__}")
    return module

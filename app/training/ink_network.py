"""The ink network: its architecture, its loss and its training.

A U-Net (Ronneberger, Fischer, Brox 2015) that marks the ink of digits on a view of a page, with a
head that says whether there are none, one or several.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from app.imaging.ink_finder import Content
from app.training.ink_views import InkViews
from app.training.training_loop import Optimizer

CHANNELS = (16, 24, 40, 64)  # of each level; each has half the side of the one before


@dataclass(frozen=True)
class InkRecipe:
    """The hyperparameters of training, listed in the model card."""

    epochs: int
    learning_rate: float = 3e-3
    batch_size: int = 64
    weight_decay: float = 1e-3
    ema_decay: float = 0.998
    inverted_share: float = 0.15
    swapped_channels_share: float = 0.3
    content_weight: float = 0.5


class InkNetwork(nn.Module):
    """float32 views (n, 3, 96, 96) in 0..1 to logits of the ink (n, 96, 96) and contents (n, 3)."""

    def __init__(self, channels: tuple[int, int, int, int] = CHANNELS) -> None:
        """Build the network with random weights."""
        super().__init__()
        first, second, third, deepest = channels
        self.down = nn.ModuleList(
            [
                nn.Sequential(*_convolution(3, first, stride=2), *_convolution(first, first)),
                nn.Sequential(
                    *_convolution(first, second, stride=2), *_convolution(second, second)
                ),
                nn.Sequential(*_convolution(second, third, stride=2), *_convolution(third, third)),
                nn.Sequential(
                    *_convolution(third, deepest, stride=2),
                    *_convolution(deepest, deepest),
                    *_convolution(deepest, deepest),
                ),
            ]
        )
        self.context = nn.Linear(deepest, deepest)
        self.content = nn.Linear(2 * deepest, len(Content))
        self.up = nn.ModuleList(
            [
                nn.Sequential(
                    *_convolution(deepest + third, third, 1), *_convolution(third, third)
                ),
                nn.Sequential(
                    *_convolution(third + second, second, 1), *_convolution(second, second)
                ),
                nn.Sequential(*_convolution(second + first, first, 1), *_convolution(first, first)),
            ]
        )
        self.ink = nn.Conv2d(first, 4, 3, padding=1)

    def forward(self, views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of the ink and of the contents."""
        levels = []
        features = views
        for block in self.down:
            features = block(features)
            levels.append(features)
        average, peak = features.mean((2, 3)), features.amax((2, 3))
        content = self.content(torch.cat([average, peak], dim=1))
        features = features + self.context(average)[:, :, None, None]
        for block, level in zip(self.up, levels[-2::-1], strict=True):
            features = block(torch.cat([_enlarge(features), level], dim=1))
        return functional.pixel_shuffle(self.ink(features), 2)[:, 0], content


def _convolution(
    channels_in: int, channels_out: int, size: int = 3, stride: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]


def _enlarge(features: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(features, scale_factor=2.0, mode="nearest")


def ink_loss(
    ink: torch.Tensor,
    content: torch.Tensor,
    marked: torch.Tensor,
    contents: torch.Tensor,
    weight: float,
) -> torch.Tensor:
    """Return cross-entropy and Dice loss (Milletari et al. 2016) of the ink, and of the contents.

    `marked` is the true ink float32 (n, 96, 96) in 0..1, `contents` int64 (n,).
    """
    entropy = functional.binary_cross_entropy_with_logits(ink, marked)
    found = torch.sigmoid(ink)
    common = (found * marked).sum((1, 2))
    both = (found**2).sum((1, 2)) + (marked**2).sum((1, 2))
    overlap_loss = 1 - (2 * common + 1) / (both + 1)
    content_loss = functional.cross_entropy(content, contents)
    return 4 * entropy + 0.5 * overlap_loss.mean() + weight * content_loss


def fit(network: InkNetwork, pool: InkViews, recipe: InkRecipe, seed: int) -> InkNetwork:
    """Train a network on views of scenes; return the moving average of its weights."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    steps = recipe.epochs * (len(pool.views) // recipe.batch_size)
    optimizer = Optimizer(network, steps, recipe, average_buffers=True)
    network.train()
    rng = np.random.default_rng(seed)
    with tqdm(total=steps, desc=f"ink seed {seed}", unit="batch", mininterval=5) as progress:
        for chosen in _batches(len(pool.views), recipe, rng):
            views = _vary(to_tensor(pool.views[chosen]), recipe, rng)
            marked = torch.from_numpy(pool.ink[chosen]).float() / 255
            contents = torch.from_numpy(pool.contents[chosen].astype(np.int64))
            ink, content = network(views)
            loss = optimizer.step(ink_loss(ink, content, marked, contents, recipe.content_weight))
            progress.update()
            progress.set_postfix(loss=f"{loss:.4f}", refresh=False)
    return optimizer.averaged_net().eval()


def to_tensor(views: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Convert views uint8 (n, 96, 96, 3) to the network's input."""
    tensor = torch.from_numpy(views).permute(0, 3, 1, 2)
    return tensor.to(torch.float32, memory_format=torch.channels_last) / 255


def _batches(
    count: int, recipe: InkRecipe, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the indices of each batch, all views once an epoch but the last incomplete batch."""
    for _ in range(recipe.epochs):
        order = rng.permutation(count)
        whole = order[: count // recipe.batch_size * recipe.batch_size]
        yield from np.sort(whole.reshape(-1, recipe.batch_size), axis=1)


def _vary(views: torch.Tensor, recipe: InkRecipe, rng: np.random.Generator) -> torch.Tensor:
    """Sometimes invert a batch or swap its colors: both cost nothing, and no digit changes."""
    if rng.random() < recipe.inverted_share:
        views = 1 - views
    if rng.random() < recipe.swapped_channels_share:
        views = views[:, torch.from_numpy(rng.permutation(3))]
    return views

"""The architectures of v1 and v2, as plain sequences of layers; training_loop.py trains them."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

Net = nn.Sequential


def baseline() -> Net:
    """Build v1's network, under 10,000 parameters: float32 (n, 1, 28, 28) to logits (n, 10)."""
    return nn.Sequential(
        *_convolution_block(1, 8),
        nn.MaxPool2d(2),
        *_convolution_block(8, 16),
        nn.MaxPool2d(2),
        *_convolution_block(16, 24),
        *_convolution_block(24, 20, padding=0),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(20 * 2 * 2, 10),
    )


def improved() -> Net:
    """Build v2's network, 5.4 million multiply-adds: float32 (n, 1, 28, 28) to logits (n, 10)."""
    return nn.Sequential(
        *_convolution_block(1, 24),
        nn.MaxPool2d(2),
        *_convolution_block(24, 32),
        *_convolution_block(32, 48),
        nn.MaxPool2d(2),
        *_convolution_block(48, 64, padding=0),
        *_convolution_block(64, 96, padding=0),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(96 * 3 * 3, 10),
    )


ARCHITECTURES: dict[str, Callable[[], Net]] = {"v1": baseline, "v2": improved}


def count_parameters(net: Net) -> int:
    """Count the parameters of the served network, with batch norms fused into convolutions."""
    return sum(parameter.numel() for parameter in fuse_batch_norm(net).parameters())


def fuse_batch_norm(net: Net) -> Net:
    """Copy a network for serving: batch norms fused into the preceding convolutions, no dropout."""
    layers: list[nn.Module] = []
    for layer, after in pairwise([*net.eval(), nn.Identity()]):
        if isinstance(layer, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
            layers.append(torch.nn.utils.fuse_conv_bn_eval(layer, after))
        elif not isinstance(layer, nn.BatchNorm2d | nn.Dropout):
            layers.append(layer)
    return nn.Sequential(*layers)


def _convolution_block(channels_in: int, channels_out: int, padding: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=padding, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]

"""Calibration of probabilities by temperature scaling (Guo et al., 2017)."""

import copy

import numpy as np
import numpy.typing as npt
import torch

from app.training.architectures import Net

_CANDIDATES = np.geomspace(0.2, 5, 400)


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """Return the temperature that maximizes the likelihood of labels (n,), given logits (n, 10)."""
    losses = [_negative_log_likelihood(logits / np.float32(tried), labels) for tried in _CANDIDATES]
    return float(_CANDIDATES[int(np.argmin(losses))])


def apply_temperature(net: Net, temperature: float) -> Net:
    """Return a copy of the network whose last layer divides the logits by a temperature.

    Raises TypeError if the last layer is not linear.
    """
    scaled = copy.deepcopy(net)
    last = scaled[-1]
    if not isinstance(last, torch.nn.Linear):
        raise TypeError(f"expected a linear layer at the end, not {type(last).__name__}")
    with torch.no_grad():
        last.weight.div_(temperature)
        last.bias.div_(temperature)
    return scaled


def _negative_log_likelihood(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> float:
    """Return the mean negative log-likelihood."""
    ahead = logits.max(axis=1)
    total = ahead + np.log(np.exp(logits - ahead[:, None]).sum(axis=1))
    return float(np.mean(total - logits[np.arange(len(labels)), labels]))

"""A model card: what a shipped model is, what it learned from, how good it is, how to check it."""

import hashlib
import platform
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from app.training.fitting import Recipe


@dataclass(frozen=True)
class Figures:
    """What was measured of one ONNX file on the validation and golden sets."""

    validation_accuracy: float
    golden_accuracy: float
    recall_by_digit: tuple[float, ...]
    multiply_adds: int
    parameters: int


@dataclass(frozen=True)
class Subject:
    """Which model a card speaks of."""

    version: str
    name: str
    purpose: str
    artefact: bytes


def recall_by_digit(
    answers: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]
) -> tuple[float, ...]:
    """For each digit the share of its pictures that were named right."""
    return tuple(float(np.mean(answers[labels == digit] == digit)) for digit in range(10))


def render(subject: Subject, recipe: Recipe, figures: Figures) -> str:
    """Write the card in Markdown."""
    checksum = hashlib.sha256(subject.artefact).hexdigest()
    recipe_rows = "\n".join(f"| {key} | {value} |" for key, value in asdict(recipe).items())
    digits = " | ".join(str(digit) for digit in range(10))
    recalls = " | ".join(f"{recall:.2%}" for recall in figures.recall_by_digit)
    return f"""# {subject.version}: {subject.name}

{subject.purpose}

| | |
| --- | --- |
| file | `{subject.version}.onnx`, {len(subject.artefact):,} bytes |
| SHA-256 | `{checksum}` |
| input | `digits`: float32 (n, 1, 28, 28), 0 is ground and 1 is ink, as `app/imaging` gives it |
| output | `probabilities`: float32 (n, 10), summing to 1 |
| parameters | {figures.parameters:,} |
| multiply-adds a digit | {figures.multiply_adds:,} |

## Data
MNIST (LeCun, Cortes, Burges; CC BY-SA 3.0), `data/mnist.npz`. Of its 60,000 training images 54,000
were trained on and a fixed 6,000 are the validation set; the 10,000 test images are the golden set,
read for the figures below and for nothing else. Every image went through `app/imaging` first, as a
client's picture does.

## Recipe
Cross entropy, AdamW, one-cycle learning rate, each digit varied anew each time it is seen, and at
the end the running average of the weights. The golden set chose no epoch, seed or threshold.

| setting | value |
| --- | --- |
{recipe_rows}

`make models` trains both models from scratch. The same seed gives the same figures to within noise;
bit for bit only on the same machine and versions (here: torch 2.13.0 on {platform.machine()}).

## Figures
`make measure` prints them anew from the file itself, through ONNX Runtime; a digit that imaging
refuses counts as wrong.

| set | accuracy |
| --- | --- |
| validation (6,000) | {figures.validation_accuracy:.2%} |
| golden (10,000) | {figures.golden_accuracy:.2%} |

Golden recall by digit:

| {digits} |
|{" --- |" * 10}
| {recalls} |
"""

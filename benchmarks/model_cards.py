"""Model cards: what a bundled model is, its training data, recipe, accuracy and confidence."""

import platform
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from app.training.bundled_models import RECIPES

PURPOSES = {
    "v1": "The fast baseline: under 10,000 parameters.",
    "v2": "The improved model: more than ten times v1's parameters.",
}


@dataclass(frozen=True)
class Figures:
    """The measurements of one ONNX file; shares and errors in 0..1, arrays over the golden set."""

    metadata: dict[str, str]
    sha256: str
    size_bytes: int
    parameters: int
    multiply_adds: int
    microseconds: float
    validation: float
    golden_by_seed: tuple[float, ...]
    recall_by_digit: tuple[float, ...]
    kinds: dict[str, float]
    stresses: dict[str, float]
    corruptions: dict[str, float]
    calibration_error: float
    confidences: npt.NDArray[np.float32]
    correct: npt.NDArray[np.bool_]
    ood_confidences: dict[str, npt.NDArray[np.float32]]
    auroc: dict[str, float]


def render(version: str, figures: Figures) -> str:
    """Render the card as Markdown."""
    return "\n\n".join(
        [
            f"# {version}: {figures.metadata['name']}",
            PURPOSES[version],
            _file(version, figures),
            _recipe(version, figures),
            _accuracy(figures),
            _robustness(figures),
            _confidence(version, figures),
        ]
    )


def _file(version: str, figures: Figures) -> str:
    return f"""| | |
| --- | --- |
| file | `{version}.onnx`, {figures.size_bytes:,} bytes |
| SHA-256 | `{figures.sha256}` |
| input | `digits`: float32 (n, 1, 28, 28), 0 is background, 1 is ink; from `app/imaging` |
| output | `probabilities`: float32 (n, 10), summing to 1 |
| parameters | {figures.parameters:,} |
| multiply-adds per digit | {figures.multiply_adds:,} |
| microseconds per digit, one core | {figures.microseconds:.0f} |"""


def _recipe(version: str, figures: Figures) -> str:
    rows = "\n".join(f"| {key} | {value} |" for key, value in asdict(RECIPES[version]).items())
    return f"""## Data
MNIST (LeCun, Cortes, Burges; CC BY-SA 3.0), `data/mnist.npz`. Of its 60,000 training images 54,000
were trained on and a fixed 6,000 are the validation set, on which the temperature was fitted; the
10,000 test images are the golden set, used only for the figures below: no epoch, seed or threshold
was selected with them.

## Recipe
Every image was preprocessed by `app/imaging` as it was before the ink network: plain images as
today, the others by rules. A share of each batch are digits augmented before that
(`app/training/augmentation.py`: warped, thickened, degraded, one in twenty as an image file of one
of the kinds below), and images of no digit, with a uniform target. Cross entropy, AdamW, one-cycle
learning rate, and at the end the exponential moving average of the weights, with the logits divided
by a temperature.

| setting | value |
| --- | --- |
{rows}
| seed | {figures.metadata["seed"]} |
| temperature | {figures.metadata["temperature"]} |

`make models` trains both versions from scratch, five seeds each; the first is bundled, the other
four are in `seeds/`. The same seed reproduces the model bit for bit only on the same kind of
machine and with the same versions (here: torch 2.13.0 on {platform.machine()})."""


def _accuracy(figures: Figures) -> str:
    seeds = np.array(figures.golden_by_seed)
    digits = " | ".join(str(digit) for digit in range(10))
    recalls = " | ".join(f"{recall:.2%}" for recall in figures.recall_by_digit)
    return f"""## Accuracy
`make measure` measures every figure of this card again from the files themselves, with ONNX
Runtime. Each image is preprocessed by `app/imaging`; one that it rejects counts as wrong.

| set | accuracy |
| --- | --- |
| validation (6,000) | {figures.validation:.2%} |
| golden (10,000) | {figures.golden_by_seed[0]:.2%} |
| golden, mean of {len(seeds)} seeds | {seeds.mean():.3%} |
| golden, standard deviation over seeds | {seeds.std():.3%} |
| golden, each seed | {", ".join(f"{share:.2%}" for share in seeds)} |

The five share the pool of augmented images.

Golden recall by digit:

| {digits} |
|{" --- |" * 10}
| {recalls} |

Golden digits rendered as each kind of image (`docs/IMAGES.md` shows them):

| kind | accuracy |
| --- | --- |
{_rows(figures.kinds)}"""


def _robustness(figures: Figures) -> str:
    error = 1 - float(np.mean(list(figures.corruptions.values())))
    return f"""## Robustness
All 10,000 golden digits, transformed:

| transformation | accuracy |
| --- | --- |
{_rows(figures.stresses)}

Under the fifteen corruptions of MNIST-C (Mu and Gilmer, 2019), implemented in
`app/training/mnist_c.py`; no model was trained on them as such:

| corruption | accuracy |
| --- | --- |
{_rows(figures.corruptions)}
| **mean error** | **{error:.2%}** |"""


def _confidence(version: str, figures: Figures) -> str:
    ood_confidences = "\n".join(
        f"| {name} | {len(found):,} | {found.mean():.3f} | {figures.auroc[name]:.3f} |"
        for name, found in figures.ood_confidences.items()
    )
    together = np.concatenate(list(figures.ood_confidences.values()))
    return f"""## Confidence
| | |
| --- | --- |
| expected calibration error, golden, 15 bins of equal mass | {figures.calibration_error:.3%} |
| mean top probability, golden | {figures.confidences.mean():.3f} |

Images of no digit, generated differently from those in training: the mean top probability, which
is 0 for an image that is rejected, and how often a golden digit's is higher (AUROC). All 52 letters
are included, also those that look like digits.

| images | count | mean top probability | AUROC |
| --- | --- | --- | --- |
{ood_confidences}
| all of them | {len(together):,} | {together.mean():.3f} | {figures.auroc["all of them"]:.3f} |

![Calibration, errors by kind of image, confidence on digits and other images]({version}.svg)
"""


def _rows(shares: dict[str, float]) -> str:
    return "\n".join(f"| {name} | {share:.2%} |" for name, share in shares.items())

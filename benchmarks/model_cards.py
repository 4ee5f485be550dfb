"""A model card: what a shipped model is, what it learned from, how good it is, how to check it."""

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
    """What was measured of one ONNX file; shares and errors are in 0..1, arrays are of golden."""

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
    """Write the card in Markdown."""
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
| input | `digits`: float32 (n, 1, 28, 28), 0 is ground and 1 is ink, as `app/imaging` gives it |
| output | `probabilities`: float32 (n, 10), summing to 1 |
| parameters | {figures.parameters:,} |
| multiply-adds a digit | {figures.multiply_adds:,} |
| microseconds a digit, one core | {figures.microseconds:.0f} |"""


def _recipe(version: str, figures: Figures) -> str:
    rows = "\n".join(f"| {key} | {value} |" for key, value in asdict(RECIPES[version]).items())
    return f"""## Data
MNIST (LeCun, Cortes, Burges; CC BY-SA 3.0), `data/mnist.npz`. Of its 60,000 training images 54,000
were trained on and a fixed 6,000 are the validation set, which chose the temperature; the 10,000
test images are the golden set, read for the figures below and for nothing else: they chose no
epoch, seed or threshold.

## Recipe
Every image went through `app/imaging` first, as a client's image does. Part of each batch are
digits varied before that (`app/training/augmentation.py`: bent, thickened, dirtied, one in twenty
as an image file of one of the kinds below), and images of no digit, whose answer is "all ten
alike".
Cross entropy, AdamW, one-cycle learning rate, and at the end the running average of the weights,
with the logits divided by a temperature.

| setting | value |
| --- | --- |
{rows}
| seed | {figures.metadata["seed"]} |
| temperature | {figures.metadata["temperature"]} |

`make models` trains both versions from scratch, five seeds each; the first is shipped, the other
four lie in `seeds/`. The same seed gives the same net bit for bit only on the same kind of machine
and the same versions (here: torch 2.13.0 on {platform.machine()})."""


def _accuracy(figures: Figures) -> str:
    seeds = np.array(figures.golden_by_seed)
    digits = " | ".join(str(digit) for digit in range(10))
    recalls = " | ".join(f"{recall:.2%}" for recall in figures.recall_by_digit)
    return f"""## Accuracy
`make measure` prints every figure of this card anew from the files themselves, through ONNX
Runtime. Each image goes through `app/imaging` first; one that it refuses counts as wrong.

| set | accuracy |
| --- | --- |
| validation (6,000) | {figures.validation:.2%} |
| golden (10,000) | {figures.golden_by_seed[0]:.2%} |
| golden, mean of {len(seeds)} seeds | {seeds.mean():.3%} |
| golden, standard deviation over seeds | {seeds.std():.3%} |
| golden, each seed | {", ".join(f"{share:.2%}" for share in seeds)} |

The five share the pool of varied images.

Golden recall by digit:

| {digits} |
|{" --- |" * 10}
| {recalls} |

Golden digits as images of a kind (`docs/IMAGES.md` shows them):

| kind | accuracy |
| --- | --- |
{_rows(figures.kinds)}"""


def _robustness(figures: Figures) -> str:
    error = 1 - float(np.mean(list(figures.corruptions.values())))
    return f"""## Robustness
All 10,000 golden digits, changed:

| change | accuracy |
| --- | --- |
{_rows(figures.stresses)}

And under the fifteen corruptions of MNIST-C (Mu and Gilmer, 2019), made here by
`app/training/mnist_c.py`; nothing was trained on them as such:

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

Images of no digit, made otherwise than those it learned from: mean top probability, and how often
a golden digit's is higher (AUROC). The letters are all 52, those that look like digits too.

| images | seen | mean top probability | AUROC |
| --- | --- | --- | --- |
{ood_confidences}
| all of them | {len(together):,} | {together.mean():.3f} | {figures.auroc["all of them"]:.3f} |

![How sure it is, and how correct]({version}.svg)
"""


def _rows(shares: dict[str, float]) -> str:
    return "\n".join(f"| {name} | {share:.2%} |" for name, share in shares.items())

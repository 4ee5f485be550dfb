"""`python -m benchmarks.ink`: measure the bundled ink network, and write its card.

On scenes as in training, but with validation digits, which it was not trained on.
"""

import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto
from torch import nn
from tqdm import tqdm

from app.imaging.ink_finder import Content
from app.imaging.ink_model import INK_MODEL, bundled_ink_model
from app.imaging.page import VIEW_SIDE
from app.training import bundled_ink
from app.training.datasets import load_base_sets
from app.training.ink_network import InkNetwork
from app.training.ink_views import SCENES_PER_CHUNK, make_scene_views
from app.training.scenes.scene import make_scene

SEED = 20_270_101
VIEWS = 900
_ROUNDS = 300
_INK = 0.5  # the probability above which a pixel counts as marked


@dataclass(frozen=True)
class Figures:
    """What was measured: overlap is Dice's coefficient, contents[true, found] are counts."""

    overlaps: npt.NDArray[np.float64]
    contents: npt.NDArray[np.int64]
    milliseconds: float


def main() -> None:
    """Print the card and write it."""
    text = render(measure())
    print(text)
    INK_MODEL.with_suffix(".md").write_text(text)


def measure() -> Figures:
    """Run the network on views of new scenes."""
    model, overlaps = bundled_ink_model(), []
    contents = np.zeros((len(Content), len(Content)), np.int64)
    for seen, marked, content in tqdm(islice(_views(), VIEWS), total=VIEWS, leave=False):
        ink, found = model(seen[None])
        contents[content, int(found[0].argmax())] += 1
        if content is not Content.NONE:
            is_ink, is_marked = marked > 127, ink[0] > _INK
            both = is_ink.sum() + is_marked.sum()
            overlaps.append(2 * (is_ink & is_marked).sum() / max(both, 1))
    return Figures(np.array(overlaps), contents, _milliseconds())


def _views() -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], Content]]:
    rng, digits = np.random.default_rng(SEED), load_base_sets().validation.digits
    while True:
        wanted = Content(rng.integers(len(Content)))
        for seen, marked, content in make_scene_views(make_scene(digits, wanted, rng), rng):
            yield seen, marked, Content(content)


def _milliseconds() -> float:
    """Return the median time of a view, on one core."""
    model = bundled_ink_model()
    view = np.random.default_rng(1).integers(0, 256, (1, VIEW_SIDE, VIEW_SIDE, 3), dtype=np.uint8)
    times_s = []
    for _ in range(_ROUNDS):
        started_at_s = time.perf_counter()
        model(view)
        times_s.append(time.perf_counter() - started_at_s)
    return float(np.median(times_s)) * 1000


def _count_parameters(content: bytes) -> int:
    weights = onnx.load_from_string(content).graph.initializer
    return sum(math.prod(each.dims) for each in weights if each.data_type == TensorProto.FLOAT)


def count_multiply_adds(network: InkNetwork) -> int:
    """Count the multiplications with a weight in one view."""
    total = 0

    def add(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        per_output = layer.weight[0].numel()
        total += per_output * output.numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(add)
    network(torch.zeros(1, 3, VIEW_SIDE, VIEW_SIDE))
    return total


def render(figures: Figures) -> str:
    """Return the card as Markdown."""
    network, content = InkNetwork().eval(), INK_MODEL.read_bytes()
    scenes = bundled_ink.CHUNKS * SCENES_PER_CHUNK
    overlap = f"mean {figures.overlaps.mean():.3f}, median {np.median(figures.overlaps):.3f}"
    shares = figures.contents / figures.contents.sum(axis=1, keepdims=True)
    rows = "\n".join(
        f"| {true.name.lower()} | {figures.contents[true].sum()} | "
        + " | ".join(f"{share:.1%}" for share in shares[true])
        + " |"
        for true in Content
    )
    recipe = "\n".join(f"| {key} | {value} |" for key, value in asdict(bundled_ink.RECIPE).items())
    return f"""# {bundled_ink.NAME}: the ink network

It marks a digit's ink in any image, so that the models see nothing else
([decision 22](../docs/decisions/0022-ink-network.md)).

| | |
| --- | --- |
| file | `{INK_MODEL.name}`, {len(content):,} bytes |
| SHA-256 | `{hashlib.sha256(content).hexdigest()}` |
| input | `views`: uint8 (n, side, side, 3), RGB; side is {VIEW_SIDE}, or twice or four times that |
| output | `ink`: float32 (n, side, side), for each pixel the probability of a digit's ink |
| output | `contents`: float32 (n, 3), the probabilities of no digit, one, and several |
| parameters | {_count_parameters(content):,} |
| multiply-adds for a view | {count_multiply_adds(network):,} |
| milliseconds for a view, one core | {figures.milliseconds:.1f} |

## Data
{scenes:,} scenes generated by `app/training/scenes/` from MNIST's 54,000 training digits; of each,
two views. No label was made by hand, and no image of any data set that Cifra is
measured on was seen. Scenes of five kinds are left out on purpose (`benchmarks/unseen_kinds.py`).

## Recipe
A U-Net (Ronneberger, Fischer, Brox 2015), cross-entropy and Dice loss of the ink, cross-entropy of
the contents; AdamW, one-cycle learning rate, and at the end the moving average of the weights.

| setting | value |
| --- | --- |
{recipe}
| scenes' seed | {bundled_ink.SCENES_SEED} |
| seed | {bundled_ink.SEED} |

`python -m app.training ink` trains it from scratch; what it generates and has finished is kept in
`build/training`, so a run that was interrupted goes on.

## Figures
`python -m benchmarks.ink` measures these on {VIEWS} views of scenes like those of training, with
validation digits. Overlap of the marked with the true ink (Dice): {overlap}.

| contents | views | taken for none | for one | for several |
| --- | --- | --- | --- | --- |
{rows}

How well digits are read through it, for each kind of image, is in
[docs/IMAGES.md](../docs/IMAGES.md) (`make bench-images`). It is not made for text of the digit's
size in one line with it, nor for digits that touch.
"""


if __name__ == "__main__":
    main()

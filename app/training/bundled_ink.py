"""The bundled ink network: its recipe, and how it is trained and saved."""

from pathlib import Path

import torch

from app.training.bundled_models import write_whole
from app.training.ink_export import to_onnx
from app.training.ink_network import InkNetwork, InkRecipe, fit
from app.training.ink_views import InkViews

NAME = "cifra-ink"
SCENES_SEED = 20_261_129
CHUNKS = 80
SEED = 1
RECIPE = InkRecipe(epochs=4)


def train_ink(views: Path, recipe: InkRecipe, threads: int, path: Path) -> None:
    """Train the ink network on a folder of views and save it; runs in its own process."""
    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    network = fit(InkNetwork(), InkViews.load(views), recipe, SEED)
    write_whole(path, to_onnx(network, {"name": NAME, "seed": str(SEED)}))

"""The bundled ink network: its recipe, and how it is trained and saved."""

from pathlib import Path

import torch

from app.training.bundled_models import MODELS
from app.training.ink_export import to_onnx
from app.training.ink_network import InkNetwork, InkRecipe, fit
from app.training.ink_views import InkViews

INK_MODEL = MODELS / "ink.onnx"
NAME = "cifra-ink"
SCENES_SEED = 20_261_129
CHUNKS = 80
SEED = 1
RECIPE = InkRecipe(epochs=14)


def train_ink(views: Path, recipe: InkRecipe, threads: int, path: Path) -> Path:
    """Train the ink network on a folder of views and save it as an ONNX file."""
    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    network = fit(InkNetwork(), InkViews.load(views), recipe, SEED)
    path.write_bytes(to_onnx(network, {"name": NAME, "seed": str(SEED)}))
    return path

"""The bundled models: the recipe of each version, its seeds, and how one is trained and saved."""

from pathlib import Path

import torch

from app.training import architectures, calibration, onnx_export
from app.training.augmented_pool import AugmentedPool
from app.training.datasets import load_base_sets, preprocess_all
from app.training.training_loop import Recipe, compute_logits, fit

MODELS = Path(__file__).parents[2] / "models"
NAMES = {"v1": "cifra-baseline", "v2": "cifra-improved"}

PASSES = 4
POOL_SEED = 20_260_901
RECIPES = {
    "v1": Recipe(epochs=30, learning_rate=1e-2, rotation_degrees=9, scaling=0.08, shearing=0.1),
    "v2": Recipe(epochs=24, learning_rate=4e-3),
}
SEEDS = (1, 2, 3, 4, 5)  # the first is bundled


def model_path(version: str, seed: int, folder: Path = MODELS) -> Path:
    """Return the path of this seed's model; the first seed's is the bundled one."""
    if seed == SEEDS[0]:
        return folder / f"{version}.onnx"
    return folder / "seeds" / f"{version}-seed{seed}.onnx"


def train(pool: Path, version: str, seed: int, recipe: Recipe, path: Path) -> None:
    """Train a network, calibrate it on the validation set and save it; runs in its own process."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(seed)
    net = fit(architectures.ARCHITECTURES[version](), AugmentedPool.load(pool), recipe, seed)
    validation = load_base_sets().validation
    validation_logits = compute_logits(net, preprocess_all(validation.digits, "validation"))
    temperature = calibration.fit_temperature(validation_logits, validation.labels)
    metadata = {"name": NAMES[version], "seed": str(seed), "temperature": f"{temperature:.3f}"}
    write_whole(
        path, onnx_export.to_onnx(calibration.apply_temperature(net, temperature), metadata)
    )


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is not there until it is complete."""
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(content)
    unfinished.replace(path)

"""`python -m app.training`: make the shipped models from scratch, and four siblings of each.

The first seed of each version is shipped; the others show how much of a figure is the seed's luck.
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from app.training import calibration, export, nets
from app.training.fitting import Recipe, fit, logits
from app.training.pools import Pool, make_pool
from app.training.sets import as_served, load_base_sets

MODELS = Path(__file__).parents[2] / "models"
NAMES = {"v1": "cifra-baseline", "v2": "cifra-improved"}

PASSES = 4
POOL_SEED = 20_260_901
RECIPES = {
    "v1": Recipe(epochs=30, learning_rate=1e-2, rotation_degrees=9, scaling=0.08, shearing=0.1),
    "v2": Recipe(epochs=24, learning_rate=4e-3),
}
SEEDS = (1, 2, 3, 4, 5)  # the first is shipped
PROCESSES = 2  # each trains a net on a core of its own


def main() -> None:
    """Train what is asked for, both versions by default; about an hour and a half on two cores."""
    parser = argparse.ArgumentParser(prog="python -m app.training", description=__doc__)
    parser.add_argument("versions", nargs="*", default=sorted(RECIPES, reverse=True))
    versions = parser.parse_args().versions
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as folder, ProcessPoolExecutor(PROCESSES, spawn) as processes:
        make_pool(load_base_sets().training, PASSES, POOL_SEED, PROCESSES).save(Path(folder))
        jobs = [(Path(folder), version, seed) for version in versions for seed in SEEDS]
        for written in processes.map(_train, *zip(*jobs, strict=True)):
            print(f"made {written}", flush=True)


def path_of(version: str, seed: int) -> Path:
    """Where the model of this seed is kept; the first seed's is the one that ships."""
    if seed == SEEDS[0]:
        return MODELS / f"{version}.onnx"
    return MODELS / "seeds" / f"{version}-seed{seed}.onnx"


def _train(shared: Path, version: str, seed: int) -> Path:
    """Runs in a process of its own: fit a net, calibrate it on the validation set, write it."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(seed)
    net = fit(nets.ARCHITECTURES[version](), Pool.load(shared), RECIPES[version], seed)
    validation = load_base_sets().validation
    answers = logits(net, as_served(validation.digits, "validation"))
    temperature = calibration.fitted_temperature(answers, validation.labels)
    notes = {"name": NAMES[version], "seed": str(seed), "temperature": f"{temperature:.3f}"}
    path = path_of(version, seed)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(export.to_onnx(calibration.cooled(net, temperature), notes))
    return path


if __name__ == "__main__":
    main()

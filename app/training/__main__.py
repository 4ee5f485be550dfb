"""`python -m app.training`: make the shipped models from scratch, and four siblings of each.

Two teachers learn from a pool of varied digits; what they say together of each picture is taught
to every net that ships (distillation: Hinton, Vinyals, Dean 2015). The first seed of each version
is shipped; the others show how much of a figure is the seed's luck.
"""

import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch

from app.training import calibration, export, nets
from app.training.fitting import Recipe, fit, logits
from app.training.pools import Pool, make_pool
from app.training.sets import as_served, load_base_sets

MODELS = Path(__file__).parents[2] / "models"
NAMES = {"v1": "cifra-baseline", "v2": "cifra-improved"}

PASSES = 12
POOL_SEED = 20_260_901
TEACHER = Recipe(epochs=18, learning_rate=4e-3)
TEACHER_SEEDS = (101, 102)
RECIPES = {
    "v1": Recipe(epochs=24, learning_rate=1e-2, softness=3),
    "v2": Recipe(epochs=16, learning_rate=4e-3, softness=3),
}
SEEDS = (1, 2, 3, 4, 5)  # the first is shipped
PROCESSES = 2  # each trains a net on a core of its own


def main() -> None:
    """Train everything; about an hour and a half on two cores."""
    sets = load_base_sets()
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as folder, ProcessPoolExecutor(PROCESSES, spawn) as processes:
        shared = Path(folder)
        pool = make_pool(sets.training, PASSES, POOL_SEED, PROCESSES)
        pool.save(shared)
        said = processes.map(_teacher_says, [shared] * len(TEACHER_SEEDS), TEACHER_SEEDS)
        taught_by(said, pool, RECIPES["v2"].softness).save(shared)
        jobs = [(shared, version, seed) for version in ("v2", "v1") for seed in SEEDS]
        for version, seed, artefact in processes.map(_student, *zip(*jobs, strict=True)):
            path = path_of(version, seed)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(artefact)
            print(f"{path.relative_to(MODELS)}: {len(artefact):,} bytes", flush=True)


def path_of(version: str, seed: int) -> Path:
    """Where the model of this seed is kept; the first seed's is the one that ships."""
    if seed == SEEDS[0]:
        return MODELS / f"{version}.onnx"
    return MODELS / "seeds" / f"{version}-seed{seed}.onnx"


def taught_by(said: Iterable[npt.NDArray[np.float32]], pool: Pool, softness: float) -> Pool:
    """The same pictures with what teachers say of them, each (passes, n, 10) logits, as targets."""
    mean = sum(said) / np.float32(len(TEACHER_SEEDS) * softness)
    shares = np.exp(mean - mean.max(axis=-1, keepdims=True))
    return replace(pool, targets=shares / shares.sum(axis=-1, keepdims=True))


def _teacher_says(shared: Path, seed: int) -> npt.NDArray[np.float32]:
    """Runs in a process of its own: fit a teacher, and ask it about every picture of the pool."""
    pool = Pool.load(shared)
    teacher = fit(_fresh("v2", seed), pool, TEACHER, seed)
    return np.stack([logits(teacher, turn) for turn in pool.digits])


def _student(shared: Path, version: str, seed: int) -> tuple[str, int, bytes]:
    """Runs in a process of its own: fit a net to what the teachers said, and calibrate it."""
    net = fit(_fresh(version, seed), Pool.load(shared), RECIPES[version], seed)
    validation = load_base_sets().validation
    answers = logits(net, as_served(validation.digits, "validation"))
    temperature = calibration.fitted_temperature(answers, validation.labels)
    notes = {"name": NAMES[version], "seed": str(seed), "temperature": f"{temperature:.3f}"}
    return version, seed, export.to_onnx(calibration.cooled(net, temperature), notes)


def _fresh(version: str, seed: int) -> nets.Net:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(seed)
    return nets.ARCHITECTURES[version]()


if __name__ == "__main__":
    main()

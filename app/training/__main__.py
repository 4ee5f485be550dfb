"""`python -m app.training`: train the bundled models from scratch.

First the ink network, since the others' images are preprocessed with it, then five seeds of each
version: the first seed is bundled; the others show how much a figure varies with the seed. Finished
steps are kept in build/training, and skipped when the command is run again.
"""

import argparse
import multiprocessing
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from app.imaging.ink_model import INK_MODEL
from app.training import bundled_ink
from app.training.augmented_pool import make_pool
from app.training.bundled_ink import train_ink
from app.training.bundled_models import MODELS, PASSES, POOL_SEED, RECIPES, SEEDS, model_path, train
from app.training.datasets import LabeledDigits, load_base_sets
from app.training.ink_network import InkRecipe
from app.training.ink_views import SCENES_PER_CHUNK, make_views
from app.training.training_loop import Recipe

PROCESSES = 2  # each trains one network on its own core; the ink network takes both
STEPS = ("ink", *sorted(RECIPES, reverse=True))
KEPT = Path(__file__).parents[2] / "build" / "training"
REHEARSAL_DIGITS, REHEARSAL_SCENES = 400, 40


@dataclass(frozen=True)
class Plan:
    """What to train with, and the folder for the models."""

    digits: LabeledDigits
    chunks: int
    scenes_per_chunk: int
    ink_recipe: InkRecipe
    recipes: dict[str, Recipe]
    seeds: Sequence[int]
    folder: Path


def main() -> None:
    """Train what is requested, by default everything."""
    parser = argparse.ArgumentParser(prog="python -m app.training", description=__doc__)
    parser.add_argument("steps", nargs="*", default=STEPS, metavar="STEP", help=", ".join(STEPS))
    parser.add_argument(
        "--rehearse",
        action="store_true",
        help="run every step in a minute, with few digits and one epoch, and save nothing",
    )
    wanted = parser.parse_args()
    if unknown := set(wanted.steps) - set(STEPS):
        parser.error(f"no step is called {sorted(unknown)[0]!r}; they are {', '.join(STEPS)}")
    training = load_base_sets().training
    if not wanted.rehearse:
        chunks, ink = bundled_ink.CHUNKS, bundled_ink.RECIPE
        run(
            Plan(training, chunks, SCENES_PER_CHUNK, ink, RECIPES, SEEDS, MODELS),
            wanted.steps,
            KEPT,
        )
        return
    few = LabeledDigits(training.digits[:REHEARSAL_DIGITS], training.labels[:REHEARSAL_DIGITS])
    quick = {version: replace(recipe, epochs=1) for version, recipe in RECIPES.items()}
    ink = replace(bundled_ink.RECIPE, epochs=1)
    with TemporaryDirectory() as folder:
        plan = Plan(few, 1, REHEARSAL_SCENES, ink, quick, SEEDS[:2], Path(folder, "models"))
        run(plan, wanted.steps, Path(folder))


def run(plan: Plan, steps: Sequence[str], kept: Path) -> None:
    """Train what is not kept yet, and copy all of it to the plan's folder."""
    started_at_s, spawn = time.monotonic(), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, spawn) as processes:
        if "ink" in steps:
            _save(_train_ink(plan, kept, processes), plan.folder / INK_MODEL.name)
        for version in (step for step in steps if step != "ink"):
            for seed, path in _train_version(plan, version, kept, processes).items():
                _save(path, model_path(version, seed, plan.folder))
    print(f"took {(time.monotonic() - started_at_s) / 60:.1f} minutes")


def _train_ink(plan: Plan, kept: Path, processes: ProcessPoolExecutor) -> Path:
    path = kept / f"ink-{_key(plan.ink_recipe, plan.chunks)}.onnx"
    if not path.exists():
        views = kept / f"views-{_key(bundled_ink.SCENES_SEED)}"
        make_views(views, plan.chunks, bundled_ink.SCENES_SEED, processes, plan.scenes_per_chunk)
        processes.submit(train_ink, views, plan.ink_recipe, PROCESSES, path).result()
    return path


def _train_version(
    plan: Plan, version: str, kept: Path, processes: ProcessPoolExecutor
) -> dict[int, Path]:
    """Train the seeds of a version, two at a time; return the path of each."""
    recipe, ink = plan.recipes[version], sha256(INK_MODEL.read_bytes()).hexdigest()
    paths = {seed: kept / f"{version}-seed{seed}-{_key(recipe, ink)}.onnx" for seed in plan.seeds}
    missing = {seed: path for seed, path in paths.items() if not path.exists()}
    if missing:
        pool = kept / f"pool-{_key(ink)}"
        if not pool.exists():
            make_pool(plan.digits, PASSES, POOL_SEED, processes).save(pool)
        jobs = [(pool, version, seed, recipe, path) for seed, path in missing.items()]
        for _ in processes.map(train, *zip(*jobs, strict=True)):
            pass
    return paths


def _key(*settings: object) -> str:
    """Return a short hash of what a network is trained with, so that a change trains it anew."""
    return sha256(repr(settings).encode()).hexdigest()[:12]


def _save(trained: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(trained, path)
    print(f"wrote {path.name}", flush=True)


if __name__ == "__main__":
    main()

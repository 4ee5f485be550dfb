"""`python -m app.training`: train the bundled models from scratch, five seeds of each.

The first seed of each version is bundled; the others show how much a figure varies with the seed.
"""

import argparse
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from app.training.augmented_pool import make_pool
from app.training.bundled_models import MODELS, PASSES, POOL_SEED, RECIPES, SEEDS, train
from app.training.datasets import LabeledDigits, load_base_sets
from app.training.training_loop import Recipe

PROCESSES = 2  # each trains one network on its own core
REHEARSAL_DIGITS = 400


def main() -> None:
    """Train the requested versions, by default both; about an hour and a half on two cores."""
    parser = argparse.ArgumentParser(prog="python -m app.training", description=__doc__)
    parser.add_argument("versions", nargs="*", default=sorted(RECIPES, reverse=True))
    parser.add_argument(
        "--rehearse",
        action="store_true",
        help="run every step in half a minute, with few digits and one epoch, and save nothing",
    )
    wanted = parser.parse_args()
    if not wanted.rehearse:
        train_all(load_base_sets().training, wanted.versions, RECIPES, MODELS)
        return
    training = load_base_sets().training
    few = LabeledDigits(training.digits[:REHEARSAL_DIGITS], training.labels[:REHEARSAL_DIGITS])
    quick = {version: replace(recipe, epochs=1) for version, recipe in RECIPES.items()}
    with TemporaryDirectory() as folder:
        train_all(few, wanted.versions, quick, Path(folder))


def train_all(
    digits: LabeledDigits, versions: Sequence[str], recipes: Mapping[str, Recipe], folder: Path
) -> None:
    """Train every seed of these versions, two networks at a time, and save them in a folder."""
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as pool, ProcessPoolExecutor(PROCESSES, spawn) as processes:
        make_pool(digits, PASSES, POOL_SEED, processes).save(Path(pool))
        jobs = [
            (Path(pool), version, seed, recipes[version], folder)
            for version in versions
            for seed in SEEDS
        ]
        for written in processes.map(train, *zip(*jobs, strict=True)):
            print(f"wrote {written.name}", flush=True)


if __name__ == "__main__":
    main()

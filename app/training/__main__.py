"""`python -m app.training`: make the shipped models from scratch, and four siblings of each.

The first seed of each version is shipped; the others show how much of a figure is the seed's luck.
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

PROCESSES = 2  # each trains a net on a core of its own
REHEARSAL_DIGITS = 400


def main() -> None:
    """Train what is asked for, both versions by default; about an hour and a half on two cores."""
    parser = argparse.ArgumentParser(prog="python -m app.training", description=__doc__)
    parser.add_argument("versions", nargs="*", default=sorted(RECIPES, reverse=True))
    parser.add_argument(
        "--rehearse",
        action="store_true",
        help="run every step in half a minute, with few digits and one epoch, and keep nothing",
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
    """Train every seed of these versions, two nets at a time, and write them to a folder."""
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as pool, ProcessPoolExecutor(PROCESSES, spawn) as processes:
        make_pool(digits, PASSES, POOL_SEED, PROCESSES).save(Path(pool))
        jobs = [
            (Path(pool), version, seed, recipes[version], folder)
            for version in versions
            for seed in SEEDS
        ]
        for written in processes.map(train, *zip(*jobs, strict=True)):
            print(f"made {written.name}", flush=True)


if __name__ == "__main__":
    main()

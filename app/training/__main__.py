"""`python -m app.training train|measure`: make the shipped models and their cards, or measure."""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from app.imaging.digits import as_input
from app.services.artefacts import open_session
from app.training import cards, export, fitting, nets
from app.training.fitting import Recipe
from app.training.sets import BaseSets, LabelledDigits, as_served, load_base_sets

MODELS = Path(__file__).parents[2] / "models"
THREADS = 2

RECIPES = {
    "v1": Recipe(epochs=40, learning_rate=1e-2, rotation_degrees=9, scaling=0.08, shearing=0.1),
    "v2": Recipe(epochs=18, learning_rate=4e-3),
}
NAMES = {"v1": "cifra-baseline", "v2": "cifra-improved"}
PURPOSES = {
    "v1": "The fast baseline: under 10,000 parameters.",
    "v2": "The improved model: more than ten times v1's parameters, about a third fewer errors.",
}


def main() -> None:
    """Train or measure the versions that were named, both by default."""
    parser = argparse.ArgumentParser(prog="python -m app.training", description=__doc__)
    parser.add_argument("what", choices=["train", "measure"])
    parser.add_argument("versions", nargs="*", default=sorted(RECIPES), help="v1, v2 or both")
    wanted = parser.parse_args()
    sets = _served_sets()
    for version in wanted.versions:
        if wanted.what == "train":
            _train(version, sets)
        _measure(version, sets)


def _served_sets() -> BaseSets:
    raw = load_base_sets()
    parts = {
        name: LabelledDigits(as_served(part.digits, name), part.labels)
        for name, part in vars(raw).items()
    }
    return BaseSets(**parts)


def _train(version: str, sets: BaseSets) -> None:
    recipe = RECIPES[version]
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(mode=True)
    print(f"{version}: {recipe}", flush=True)
    net = fitting.fit(nets.ARCHITECTURES[version](), sets.training, recipe)
    (MODELS / f"{version}.onnx").write_bytes(export.to_onnx(net, NAMES[version]))


def _measure(version: str, sets: BaseSets) -> None:
    """Measure the file on disk, print the figures, and write the card anew."""
    artefact = (MODELS / f"{version}.onnx").read_bytes()
    net = nets.ARCHITECTURES[version]()
    golden = _answers(artefact, sets.golden.digits)
    figures = cards.Figures(
        validation_accuracy=_share(_answers(artefact, sets.validation.digits), sets.validation),
        golden_accuracy=_share(golden, sets.golden),
        recall_by_digit=cards.recall_by_digit(golden, sets.golden.labels),
        multiply_adds=export.multiply_adds(net),
        parameters=nets.count_parameters(net),
    )
    subject = cards.Subject(version, NAMES[version], PURPOSES[version], artefact)
    (MODELS / f"{version}.md").write_text(cards.render(subject, RECIPES[version], figures))
    print(f"{version}: {figures}", flush=True)


def _answers(artefact: bytes, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    session = open_session(artefact)
    parts = np.array_split(as_input(digits), 10)
    found = [session.run(None, {"digits": part})[0] for part in parts]
    return np.asarray(np.concatenate(found).argmax(axis=1), dtype=np.int64)


def _share(answers: npt.NDArray[np.int64], of: LabelledDigits) -> float:
    return float(np.mean(answers == of.labels))


if __name__ == "__main__":
    main()

"""`python -m benchmarks.models`: measure the bundled models from their files; write their cards."""

import hashlib
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from app.imaging.normalization import to_model_input
from app.onnx_runtime import InferenceSession, open_session
from app.training import architectures, onnx_export
from app.training.bundled_models import MODELS, SEEDS, model_path
from app.training.datasets import load_base_sets
from app.training.evaluation_sets import EvaluationSet, corrupted_set, make_set, plain_set
from app.training.mnist_c import CORRUPTIONS
from app.training.synthetic_images import RENDERERS
from benchmarks import model_cards, plots
from benchmarks.classifier_metrics import auroc, expected_calibration_error
from benchmarks.evaluation_images import STRESSES, images_of_kind, scanned_digits, stressed_set
from benchmarks.model_cards import Figures
from benchmarks.ood_images import OOD_IMAGES

VERSIONS = ("v1", "v2")
_ROUNDS = 3_000


@dataclass(frozen=True)
class EvaluationSets:
    """All sets that models are evaluated on; made once for both versions."""

    validation: EvaluationSet
    golden: EvaluationSet
    kinds: dict[str, EvaluationSet]
    stresses: dict[str, EvaluationSet]
    corruptions: dict[str, EvaluationSet]
    ood: dict[str, EvaluationSet]


def main() -> None:
    """Print every figure and write the cards with their plots."""
    sets = make_evaluation_sets()
    for version in VERSIONS:
        figures = measure(version, sets)
        text = model_cards.render(version, figures)
        print(text, flush=True)
        (MODELS / f"{version}.md").write_text(text)
        plots.draw(MODELS / f"{version}.svg", figures)


def make_evaluation_sets() -> EvaluationSets:
    """Preprocess every image of every set; takes a few minutes."""
    sets = load_base_sets()
    return EvaluationSets(
        validation=plain_set("validation", sets.validation),
        golden=plain_set("golden", sets.golden),
        kinds={
            kind: make_set(kind, *images_of_kind(kind, sets.golden))
            for kind in tqdm(RENDERERS, "kinds")
        }
        | {"scanned": make_set("scanned", *scanned_digits())},
        stresses={name: stressed_set(name, sets.golden) for name in tqdm(STRESSES, "stresses")},
        corruptions={
            name: corrupted_set(name, sets.golden) for name in tqdm(CORRUPTIONS, "corruptions")
        },
        ood={
            name: make_set(name, files := list(make()), np.full(len(files), -1))
            for name, make in OOD_IMAGES.items()
        },
    )


def measure(version: str, sets: EvaluationSets) -> Figures:
    """Evaluate the bundled model of a version, and its other seeds for mean and spread."""
    artifact = model_path(version, SEEDS[0]).read_bytes()
    session = open_session(artifact)
    golden = sets.golden.probabilities(session)
    correct = sets.golden.correct(session)
    confidences = golden.max(axis=1)
    ood_confidences = {name: _confidences(of, session) for name, of in sets.ood.items()}
    net = architectures.ARCHITECTURES[version]()
    return Figures(
        metadata=session.get_modelmeta().custom_metadata_map,
        sha256=hashlib.sha256(artifact).hexdigest(),
        size_bytes=len(artifact),
        parameters=architectures.count_parameters(net),
        multiply_adds=onnx_export.count_multiply_adds(net),
        microseconds=_microseconds(session),
        validation=_accuracy(sets.validation, session),
        golden_by_seed=accuracy_by_seed(version, sets.golden),
        recall_by_digit=tuple(
            float(correct[sets.golden.labels == digit].mean()) for digit in range(10)
        ),
        kinds={name: _accuracy(of, session) for name, of in sets.kinds.items()},
        stresses={name: _accuracy(of, session) for name, of in sets.stresses.items()},
        corruptions={name: _accuracy(of, session) for name, of in sets.corruptions.items()},
        calibration_error=expected_calibration_error(confidences, correct),
        confidences=confidences,
        correct=correct,
        ood_confidences=ood_confidences,
        auroc={name: auroc(confidences, found) for name, found in ood_confidences.items()}
        | {"all of them": auroc(confidences, np.concatenate(list(ood_confidences.values())))},
    )


def accuracy_by_seed(version: str, of: EvaluationSet) -> tuple[float, ...]:
    """Return the share that each seed of a version reads correctly, the bundled one first."""
    return tuple(
        _accuracy(of, open_session(model_path(version, seed).read_bytes())) for seed in SEEDS
    )


def _accuracy(of: EvaluationSet, session: InferenceSession) -> float:
    return float(of.correct(session).mean())


def _confidences(of: EvaluationSet, session: InferenceSession) -> npt.NDArray[np.float32]:
    """Return the top probability of each image, 0 if it was rejected."""
    return np.where(of.rejected, np.float32(0), of.probabilities(session).max(axis=1))


def _microseconds(session: InferenceSession) -> float:
    """Return the median time of one image, one at a time on one core, with the serving session."""
    image = to_model_input(np.zeros((28, 28), dtype=np.uint8))
    costs_s = []
    for _ in range(_ROUNDS):
        started_at_s = time.perf_counter()
        session.run(None, {"digits": image})
        costs_s.append(time.perf_counter() - started_at_s)
    return float(np.median(costs_s)) * 1e6


if __name__ == "__main__":
    main()

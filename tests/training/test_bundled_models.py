"""The bundled models: their cards are accurate, and their accuracy is high enough."""

import hashlib
import re
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pytest

from app.onnx_runtime import open_session
from app.services.models.digit_classifier import read_model_name
from app.training.bundled_models import NAMES, SEEDS, model_path
from app.training.evaluation_sets import EvaluationSet, make_set
from benchmarks.classifier_metrics import auroc, expected_calibration_error
from benchmarks.ood_images import OOD_IMAGES
from config import ROOT
from tests.support.once_per_run import Arrays, once_per_run

VERSIONS = pytest.mark.parametrize("version", ["v1", "v2"])


@pytest.fixture(scope="module")
def ood_sets(tmp_path_factory: pytest.TempPathFactory) -> list[EvaluationSet]:
    """Return images of no digit, a set for each kind."""

    def preprocess(make: Callable[[], Iterable[bytes]]) -> Arrays:
        files = list(make())
        return vars(make_set("no digit", files, np.full(len(files), -1)))

    return [
        EvaluationSet(**once_per_run(tmp_path_factory, f"ood_{name}", partial(preprocess, make)))
        for name, make in OOD_IMAGES.items()
    ]


def card(version: str) -> str:
    return (ROOT / "models" / f"{version}.md").read_text()


def figure(version: str, row: str) -> str:
    found = re.search(rf"^\| {re.escape(row)} \| `?([^`|]+?)`? \|$", card(version), re.M)
    assert found, row
    return found.group(1)


@pytest.mark.parametrize(("version", "most_parameters"), [("v1", 10_000), ("v2", 10_000_000)])
def test_card_describes_the_bundled_file(version: str, most_parameters: int) -> None:
    artifact = (ROOT / "models" / f"{version}.onnx").read_bytes()
    assert figure(version, "SHA-256") == hashlib.sha256(artifact).hexdigest()
    assert read_model_name(artifact) == NAMES[version]
    assert int(figure(version, "parameters").replace(",", "")) <= most_parameters


def test_models_readme_agrees_with_the_cards() -> None:
    page = (ROOT / "models" / "README.md").read_text()
    for row in (
        "parameters",
        "multiply-adds per digit",
        "golden (10,000)",
        "golden, mean of 5 seeds",
    ):
        assert f"| {figure('v1', row)} | {figure('v2', row)} |" in page


@pytest.mark.parametrize(("version", "bar"), [("v1", 0.993), ("v2", 0.9965)])
def test_golden_accuracy_agrees_with_the_card_and_its_mean_is_high_enough(
    golden_exam: EvaluationSet, version: str, bar: float, is_long: bool
) -> None:
    seeds = SEEDS if is_long else SEEDS[:2]
    sessions = [open_session(model_path(version, seed).read_bytes()) for seed in seeds]
    found = [f"{golden_exam.correct(session).mean():.2%}" for session in sessions]
    on_card = figure(version, "golden, each seed").split(", ")
    assert found[0] == figure(version, "golden (10,000)")
    assert found == on_card[: len(seeds)]
    assert np.mean([float(share.rstrip("%")) / 100 for share in on_card]) >= bar


@VERSIONS
def test_every_seed_is_a_different_model_and_records_its_seed(version: str) -> None:
    artifacts = [model_path(version, seed).read_bytes() for seed in SEEDS]
    notes = [open_session(artifact).get_modelmeta().custom_metadata_map for artifact in artifacts]
    assert len(set(artifacts)) == len(SEEDS)
    assert [note["seed"] for note in notes] == [str(seed) for seed in SEEDS]


@VERSIONS
def test_probabilities_are_calibrated(
    golden_exam: EvaluationSet, golden_probabilities: Arrays, version: str
) -> None:
    found = golden_probabilities[version]
    correct = ~golden_exam.rejected & (found.argmax(axis=1) == golden_exam.labels)
    error = expected_calibration_error(found.max(axis=1), correct)
    row = "expected calibration error, golden, 15 bins of equal mass"
    assert f"{error:.3%}" == figure(version, row)
    assert error <= 0.005


@VERSIONS
def test_images_of_no_digit_are_rejected_or_get_low_confidence(
    golden_probabilities: Arrays, ood_sets: list[EvaluationSet], version: str
) -> None:
    session = open_session((ROOT / "models" / f"{version}.onnx").read_bytes())
    digits = golden_probabilities[version].max(axis=1)
    strange = []
    for evaluation_set in ood_sets:
        others = evaluation_set.probabilities(session).max(axis=1) * ~evaluation_set.rejected
        assert others.mean() < digits.mean() - 0.3
        strange.append(others)
    assert auroc(digits, np.concatenate(strange)) >= 0.95

"""Training: the data sets, the pool, a few training steps on real digits, and the export."""

import hashlib
import multiprocessing
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from torch import nn

from app.imaging.normalization import to_model_input
from app.onnx_runtime import open_session
from app.training import architectures, calibration, onnx_export, training_loop
from app.training.augmentation import augment
from app.training.augmented_pool import AugmentedPool, make_pool
from app.training.bundled_models import RECIPES
from app.training.datasets import LabeledDigits, load_base_sets
from app.training.out_of_distribution import make_non_digit
from config import ROOT
from tests.conftest import run_python

# Another validation set would overlap with the training set of the bundled models.
VALIDATION_SHA256 = "528cc39a64acf10b5ac3a5496195a6602b81371eadf14035435c0d1a3fe30afc"


@pytest.fixture(scope="module")
def few() -> LabeledDigits:
    """Return 2,000 digits of the training set."""
    training = load_base_sets().training
    return LabeledDigits(training.digits[:2000], training.labels[:2000])


def test_sets_have_their_sizes_and_share_no_image() -> None:
    sets = load_base_sets()
    assert [len(part.labels) for part in vars(sets).values()] == [54_000, 6_000, 10_000]
    training = {digit.tobytes() for digit in sets.training.digits}
    assert training.isdisjoint(digit.tobytes() for digit in sets.validation.digits)
    assert training.isdisjoint(digit.tobytes() for digit in sets.golden.digits)


def test_validation_set_is_always_the_same() -> None:
    validation = load_base_sets().validation
    found = hashlib.sha256(validation.digits.tobytes() + validation.labels.tobytes())
    assert found.hexdigest() == VALIDATION_SHA256


@pytest.fixture(scope="module")
def pool(few: LabeledDigits) -> AugmentedPool:
    """Return a pool of two passes over them."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        return make_pool(few, passes=2, seed=7, executor=processes)


def test_augmented_digit_is_another_image_and_mostly_the_same_digit(few: LabeledDigits) -> None:
    rng = np.random.default_rng(1)
    found = np.stack([augment(digit, rng) for digit in few.digits[:400]])
    assert found.shape == (400, 28, 28)
    assert found.dtype == np.uint8
    assert len({digit.tobytes() for digit in found}) == 400
    session = open_session((ROOT / "models" / "v2.onnx").read_bytes())
    answers = session.run(None, {"digits": to_model_input(found)})[0].argmax(axis=1)
    assert 0.9 < np.mean(answers == few.labels[:400]) < 1


def test_non_digit_is_normalized_and_wider_than_a_1(
    few: LabeledDigits,
) -> None:
    rng = np.random.default_rng(1)
    for digit in few.digits[:200]:
        found = make_non_digit(digit, rng)
        assert found.dtype == np.uint8
        assert found.shape == (28, 28)
        assert found.max() == 255
        assert np.count_nonzero(found.any(axis=0)) > 8


def test_pool_has_every_digit_in_each_pass_and_non_digits(
    few: LabeledDigits, pool: AugmentedPool
) -> None:
    assert pool.digits.shape == (2000, 28, 28)
    assert pool.augmented.shape == (2, 2000, 28, 28)
    assert pool.non_digits.shape == (400, 28, 28)
    assert np.array_equal(pool.labels, few.labels)
    same = np.all(pool.augmented[0] == pool.augmented[1], axis=(1, 2))
    assert same.mean() < 0.01  # rejected digits stay unchanged


def test_pool_depends_on_the_seed_and_not_on_the_number_of_workers(
    few: LabeledDigits, pool: AugmentedPool, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as one_thread:
        again = make_pool(few, passes=1, seed=7, executor=one_thread)
    assert np.array_equal(again.augmented[0], pool.augmented[0])
    again.save(tmp_path / "pool")
    loaded = AugmentedPool.load(tmp_path / "pool")
    for name, array in vars(again).items():
        assert np.array_equal(getattr(loaded, name), array)


def test_training_learns_and_is_reproducible(few: LabeledDigits, pool: AugmentedPool) -> None:
    recipe = replace(RECIPES["v1"], epochs=8, ema_decay=0.9)

    def fitted() -> architectures.Net:
        torch.manual_seed(1)
        return training_loop.fit(architectures.baseline(), pool, recipe, seed=1)

    one, other = fitted(), fitted()
    answers = training_loop.compute_logits(one, few.digits).argmax(axis=1)
    assert np.mean(answers == few.labels) > 0.8
    assert onnx_export.to_onnx(one, {"name": "x"}) == onnx_export.to_onnx(other, {"name": "x"})


def test_network_learns_low_confidence_on_non_digits(
    few: LabeledDigits, pool: AugmentedPool
) -> None:
    recipe = replace(RECIPES["v1"], epochs=8, ema_decay=0.9, non_digit_share=0.3)
    torch.manual_seed(1)
    net = training_loop.fit(architectures.baseline(), pool, recipe, seed=1)

    def mean_top(images: npt.NDArray[np.uint8]) -> float:
        found = torch.from_numpy(training_loop.compute_logits(net, images)).softmax(dim=1)
        return float(found.max(dim=1).values.mean())

    assert mean_top(pool.non_digits) < 0.5 < mean_top(pool.digits)


def test_temperature_scaling_recovers_overconfident_logits() -> None:
    rng = np.random.default_rng(1)
    calibrated = rng.normal(0, 2, (20_000, 10)).astype(np.float32)
    probabilities = np.exp(calibrated) / np.exp(calibrated).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    found = calibration.fit_temperature(calibrated * np.float32(2.5), labels)
    assert found == pytest.approx(2.5, rel=0.03)


def test_applied_temperature_divides_logits_and_leaves_the_network_unchanged(
    few: LabeledDigits,
) -> None:
    net = architectures.baseline()
    before = training_loop.compute_logits(net, few.digits[:50])
    found = training_loop.compute_logits(calibration.apply_temperature(net, 2), few.digits[:50])
    assert np.allclose(found, before / 2, atol=1e-6)
    assert np.array_equal(training_loop.compute_logits(net, few.digits[:50]), before)
    with pytest.raises(TypeError, match="Flatten"):
        calibration.apply_temperature(nn.Sequential(nn.Flatten()), 2)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_exported_file_predicts_as_the_network(version: str, few: LabeledDigits) -> None:
    torch.manual_seed(3)
    net = architectures.ARCHITECTURES[version]()
    for module in net.modules():  # batch norms that change their input
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.rand(module.num_features)
            module.running_var = torch.rand(module.num_features) + 0.5
    metadata = {"name": "a name", "seed": "3"}
    artifact = onnx_export.to_onnx(net, metadata)
    session = open_session(artifact)
    found = session.run(None, {"digits": to_model_input(few.digits[:100])})[0]
    expected = (
        torch.from_numpy(training_loop.compute_logits(net, few.digits[:100])).softmax(dim=1).numpy()
    )
    assert np.abs(found - expected).max() < 1e-5
    assert session.get_modelmeta().custom_metadata_map == metadata
    assert {node.op_type for node in onnx.load_from_string(artifact).graph.node} <= {
        *("Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Softmax")
    }


def test_unsupported_layer_is_rejected() -> None:
    with pytest.raises(TypeError, match="Tanh"):
        onnx_export.to_onnx(nn.Sequential(nn.Tanh()), {"name": "x"})


def test_v1_has_at_most_10_000_parameters_and_v2_at_most_6_million_multiply_adds() -> None:
    assert architectures.count_parameters(architectures.baseline()) <= 10_000
    assert onnx_export.count_multiply_adds(architectures.improved()) <= 6_000_000


@pytest.mark.long
def test_rehearsal_runs_every_step_of_training_and_saves_nothing() -> None:
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "models").rglob("*")}
    done = subprocess.run(
        [sys.executable, "-m", "app.training", "ink", "v1", "--rehearse"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    *written, took = done.stdout.splitlines()
    assert written == ["wrote ink.onnx", "wrote v1.onnx", "wrote v1-seed2.onnx"]
    assert took.endswith(" minutes")
    assert {path: path.stat().st_mtime_ns for path in (ROOT / "models").rglob("*")} == before


def test_onnx_runtime_is_imported_in_one_module() -> None:
    importers = [
        path.name
        for path in (ROOT / "app").rglob("*.py")
        if re.search(r"^(import|from) onnxruntime", path.read_text(), re.M)
    ]
    assert importers == ["onnx_runtime.py"]


def test_onnx_runtime_writes_no_telemetry(tmp_path: Path) -> None:
    run_python(
        f"import os, pathlib; os.environ['HOME'] = '{tmp_path}'\n"
        "from app.services.models.digit_classifier import read_model_name\n"
        "read_model_name(pathlib.Path('models/v1.onnx').read_bytes())"
    )
    assert list(tmp_path.iterdir()) == []


def test_server_does_not_import_torch() -> None:
    code = "import sys, app.factory; print({'torch', 'onnx'} & sys.modules.keys())"
    assert run_python(code) == "set()\n"

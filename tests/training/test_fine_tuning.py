"""Fine-tuning: the content of a batch, what is learned, and the retrain process."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from app.domain.promotion_gates import CandidateMetrics, evaluate
from app.imaging.normalization import to_model_input
from app.onnx_runtime import open_session
from app.training import fine_tuning, onnx_export
from app.training.datasets import LabeledDigits, load_base_sets, preprocess_all
from app.training.fine_tuning import FINE_TUNE_CONFIG, Replay, fine_tune, make_replay
from benchmarks.styles import outline
from config import ROOT

FEW_STEPS = 60  # enough to observe a training

V1, V2 = ((ROOT / "models" / f"{version}.onnx").read_bytes() for version in ("v1", "v2"))


@pytest.fixture(scope="module")
def few() -> LabeledDigits:
    training = load_base_sets().training
    return LabeledDigits(training.digits[:2_000], training.labels[:2_000])


@pytest.fixture(scope="module")
def replay(few: LabeledDigits) -> Replay:
    return make_replay(few, replace(FINE_TUNE_CONFIG, augmented_digits=200), seed=1)


def marked_digits(labels: list[int]) -> LabeledDigits:
    """Return labeled images that can be recognized: every pixel is 7."""
    return LabeledDigits(np.full((len(labels), 28, 28), 7, np.uint8), np.array(labels))


def batches(train: LabeledDigits, replay: Replay, steps: int) -> list[tuple[int, np.ndarray]]:
    """Return for each batch its number of labeled images, and how often each digit is a target."""
    config = replace(FINE_TUNE_CONFIG, steps=steps)
    found = []
    for images, targets in fine_tuning._batches(train, replay, config, np.random.default_rng(1)):
        is_digit = targets.max(axis=1) > 0.5
        counts = np.bincount(targets[is_digit].argmax(axis=1), minlength=10)
        found.append((int((images == 7).all(axis=(1, 2)).sum()), counts))
    return found


def test_batch_has_every_digit_equally_often_and_is_at_least_half_replay(
    replay: Replay,
) -> None:
    for train, counts in batches(marked_digits(list(range(10)) * 50), replay, steps=20):
        assert len(set(counts)) == 1
        assert 0 < train <= counts.sum() / 2


def test_labels_of_a_single_digit_are_a_small_part_of_each_batch(replay: Replay) -> None:
    for train, counts in batches(marked_digits([3] * 500), replay, steps=20):
        assert len(set(counts)) == 1
        assert train <= counts[3] / 2


def test_single_label_is_repeated_at_most_max_repeats_times(replay: Replay) -> None:
    seen = sum(
        train for train, _ in batches(marked_digits([3]), replay, steps=FINE_TUNE_CONFIG.steps)
    )
    assert 0.8 * FINE_TUNE_CONFIG.max_repeats < seen < 1.2 * FINE_TUNE_CONFIG.max_repeats


@pytest.mark.parametrize("artifact", [V1, V2])
def test_network_is_unchanged_by_export_and_import(artifact: bytes, few: LabeledDigits) -> None:
    again = onnx_export.to_onnx(onnx_export.from_onnx(artifact), {"name": "again"})
    inputs = {"digits": to_model_input(few.digits[:200])}
    expected, found = (open_session(each).run(None, inputs)[0] for each in (artifact, again))
    assert np.abs(expected - found).max() < 1e-5


def accuracy(artifact: bytes, of: LabeledDigits) -> float:
    answers = open_session(artifact).run(None, {"digits": to_model_input(of.digits)})[0]
    return float((answers.argmax(axis=1) == of.labels).mean())


def test_candidate_learns_its_labels_and_forgets_little(few: LabeledDigits, replay: Replay) -> None:
    outlines = preprocess_all(np.stack([outline(digit) for digit in few.digits[:100]]), "outlines")
    train = LabeledDigits(outlines, few.labels[:100])
    config, steps = replace(FINE_TUNE_CONFIG, steps=300), []
    net = fine_tune(
        onnx_export.from_onnx(V1), train, replay, config, 1, lambda *step: steps.append(step)
    )
    candidate = onnx_export.to_onnx(net, {"name": "candidate"})
    assert accuracy(candidate, train) > accuracy(V1, train) + 0.2
    known = LabeledDigits(replay.plain.digits[1_000:], few.labels[1_000:])
    assert accuracy(candidate, known) > accuracy(V1, known) - 0.01
    assert [share for share, *_ in steps] == pytest.approx(np.arange(1, 301) / 300)
    assert steps[-1][2] == 0


def write_inputs(folder: Path, train: LabeledDigits) -> None:
    """Write the inputs of the retrain process as the server does."""
    spec = {"name": "candidate", "seed": 1, "threads": 1, "steps": FEW_STEPS}
    (folder / "spec.json").write_text(json.dumps(spec))
    for name in ("start", "deployed", "bundled"):
        (folder / f"{name}.onnx").write_bytes(V1)
    holdout = {"holdout_digits": train.digits[:20], "holdout_labels": train.labels[:20]}
    np.savez(folder / "labels.npz", digits=train.digits, labels=train.labels, **holdout)


def child(folder: Path, module: str = "app.training.retrain") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", module, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@pytest.mark.long
def test_retrain_process_reports_progress_and_writes_candidate_and_metrics(
    tmp_path: Path, few: LabeledDigits, is_long: bool
) -> None:
    write_inputs(tmp_path, LabeledDigits(few.digits[:60], few.labels[:60]))
    module = "app.training.retrain" if is_long else "tests.training.quick_retrain"
    with child(tmp_path, module) as running:
        progress = [json.loads(line) for line in running.stdout or ()]
    assert running.returncode == 0
    stages = [line["stage"] for line in progress]
    assert list(dict.fromkeys(stages)) == ["preparing", "training", "evaluating"]
    shares = [line["progress"] for line in progress if line["stage"] == "training"]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert all(line["loss"] > 0 for line in progress if line["stage"] == "training")
    notes = open_session((tmp_path / "candidate.onnx").read_bytes()).get_modelmeta()
    assert notes.custom_metadata_map["name"] == "candidate"
    metrics = TypeAdapter(CandidateMetrics).validate_json((tmp_path / "metrics.json").read_bytes())
    assert metrics.validation.images == 6_000
    assert set(metrics.by_image_kind) == {"photograph", "drawing", "corruptions"}
    assert metrics.holdout.images == 20
    assert [gate.passed for gate in evaluate(metrics)][:5] == [True] * 5


def test_retrain_process_exits_with_its_parent(tmp_path: Path, few: LabeledDigits) -> None:
    write_inputs(tmp_path, few)
    with child(tmp_path) as running:
        assert running.stdout is not None
        assert running.stdout.readline()
        assert running.stdin is not None
        running.stdin.close()
        started_at_s = time.monotonic()
        assert running.wait(timeout=60) != 0
        assert time.monotonic() - started_at_s < 20
    assert not (tmp_path / "candidate.onnx").exists()

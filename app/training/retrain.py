"""`python -m app.training.retrain FOLDER`: one retrain, in a process of its own.

Reads spec.json, labels.npz, start.onnx, deployed.onnx and bundled.onnx from the folder; writes
candidate.onnx and metrics.json there, each completely or not at all, and reports its
progress on standard output, one JSON object per line. It exits when its standard input is closed.
"""

import json
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from app.onnx_runtime import open_session
from app.training import calibration, onnx_export, training_loop
from app.training.architectures import Net
from app.training.candidate_evaluation import evaluate_candidate
from app.training.datasets import LabeledDigits, load_base_sets, preprocess_all
from app.training.evaluation_sets import EvaluationSet, plain_set
from app.training.fine_tuning import FINE_TUNE_CONFIG, fine_tune, make_replay

PROGRESS_INTERVAL_S = 0.5
NICENESS = 19


@dataclass(frozen=True)
class RetrainSpec:
    """What to train: the candidate's name, the seed, and the numbers of threads and steps."""

    name: str
    seed: int
    threads: int
    steps: int


def main(folder: Path) -> None:
    """Train, calibrate and evaluate a candidate."""
    os.nice(NICENESS)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    spec = RetrainSpec(**json.loads((folder / "spec.json").read_text()))
    cv2.setNumThreads(1)
    torch.set_num_threads(spec.threads)
    with np.load(folder / "labels.npz") as archive:
        train = LabeledDigits(archive["digits"], archive["labels"])
        holdout = LabeledDigits(archive["holdout_digits"], archive["holdout_labels"])
    base, progress = load_base_sets(), ProgressWriter()
    progress.write("preparing", 0)
    validation = plain_set("validation", base.validation)
    golden = preprocess_all(base.golden.digits, "golden")
    train = _without(np.concatenate([validation.images, golden]), train)
    config = replace(FINE_TUNE_CONFIG, steps=spec.steps)
    replay = make_replay(base.training, config, spec.seed)
    net = onnx_export.from_onnx((folder / "start.onnx").read_bytes())
    net = fine_tune(net, train, replay, config, spec.seed, progress.write_training)
    progress.write("evaluating", 0)
    candidate = _calibrate_and_export(net, validation, spec)
    others = [(folder / name).read_bytes() for name in ("deployed.onnx", "bundled.onnx")]
    sessions = [open_session(artifact) for artifact in (candidate, *others)]
    metrics = evaluate_candidate(sessions, base.validation, validation, holdout, train)
    _write(folder / "candidate.onnx", candidate)
    _write(folder / "metrics.json", json.dumps(asdict(metrics)).encode())
    progress.write("evaluating", 1)


def _without(evaluation_images: npt.NDArray[np.uint8], train: LabeledDigits) -> LabeledDigits:
    """Return the labels without images that are evaluated on, from any of the sets."""
    evaluated = {image.tobytes() for image in evaluation_images}
    is_allowed = np.array([digit.tobytes() not in evaluated for digit in train.digits], dtype=bool)
    return LabeledDigits(train.digits[is_allowed], train.labels[is_allowed])


def _calibrate_and_export(net: Net, validation: EvaluationSet, spec: RetrainSpec) -> bytes:
    """Calibrate a network on the validation set and return it as an ONNX file."""
    logits = training_loop.compute_logits(net, validation.images)
    temperature = calibration.fit_temperature(logits, validation.labels)
    metadata = {"name": spec.name, "seed": str(spec.seed), "temperature": f"{temperature:.3f}"}
    return onnx_export.to_onnx(calibration.apply_temperature(net, temperature), metadata)


class ProgressWriter:
    """Writes the progress of a retrain to standard output, at most twice a second."""

    def __init__(self) -> None:
        self._written_at_s = 0.0

    def write(self, stage: str, share: float, **more: float) -> None:
        """Write the progress of a stage, `share` in 0..1."""
        sys.stdout.write(json.dumps({"stage": stage, "progress": share, **more}) + "\n")
        sys.stdout.flush()
        self._written_at_s = time.monotonic()

    def write_training(self, share: float, loss: float, seconds_left: float) -> None:
        """Write the progress of training, unless it was written just now."""
        if share == 1 or time.monotonic() - self._written_at_s > PROGRESS_INTERVAL_S:
            self.write("training", share, loss=loss, seconds_left=seconds_left)


def _exit_with_parent() -> None:
    """Exit when standard input is closed, that is when the parent ends, however it ended."""
    while os.read(0, 1):  # not through sys.stdin, whose lock would be held when Python ends
        pass
    os._exit(1)


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

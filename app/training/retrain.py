"""`python -m app.training.retrain FOLDER`: one retrain, in a process of its own.

Reads order.json, lessons.npz, start.onnx, serving.onnx and shipped.onnx from the folder; writes
candidate.onnx and marks.json there, each whole or not at all, and says on its standard output how
far it is, a line of JSON at a time. It ends by itself when whoever holds its standard input does.
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
import torch

from app.services.models.onnx_runtime import open_session
from app.training import calibration, onnx_export, training_loop
from app.training.architectures import Net
from app.training.candidate_evaluation import mark
from app.training.datasets import BaseSets, LabelledDigits, as_served, load_base_sets
from app.training.fine_tuning import COURSE, learn, make_replay

SAY_EVERY_S = 0.5
NICENESS = 19


@dataclass(frozen=True)
class Order:
    """What is to be made: the candidate's name, the seed, how many threads and steps it may use."""

    name: str
    seed: int
    threads: int
    steps: int = COURSE.steps


def main(folder: Path) -> None:
    """Teach, calibrate and examine a candidate."""
    os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    order = Order(**json.loads((folder / "order.json").read_text()))
    cv2.setNumThreads(1)
    torch.set_num_threads(order.threads)
    with np.load(folder / "lessons.npz") as archive:
        lessons = LabelledDigits(archive["digits"], archive["labels"])
        holdout = LabelledDigits(archive["holdout_digits"], archive["holdout_labels"])
    base, saying = load_base_sets(), Saying()
    saying.say("preparing", 0)
    lessons = _without_examined(lessons, base)
    course = replace(COURSE, steps=order.steps)
    replay = make_replay(base.training, course, order.seed)
    net = onnx_export.from_onnx((folder / "start.onnx").read_bytes())
    net = learn(net, lessons, replay, course, order.seed, saying.learning)
    saying.say("evaluating", 0)
    candidate = _calibrated(net, base.validation, order)
    others = [(folder / name).read_bytes() for name in ("serving.onnx", "shipped.onnx")]
    sessions = [open_session(artefact) for artefact in (candidate, *others)]
    marks = mark(sessions, base.validation, holdout, lessons)
    _write(folder / "candidate.onnx", candidate)
    _write(folder / "marks.json", json.dumps(asdict(marks)).encode())
    saying.say("evaluating", 1)


def _without_examined(lessons: LabelledDigits, base: BaseSets) -> LabelledDigits:
    """The lessons but for pictures of the validation or the golden set, which nothing trains on."""
    examined = {
        digit.tobytes()
        for part in (base.validation, base.golden)
        for digit in as_served(part.digits, "examined")
    }
    is_free = np.array([digit.tobytes() not in examined for digit in lessons.digits], dtype=bool)
    return LabelledDigits(lessons.digits[is_free], lessons.labels[is_free])


def _calibrated(net: Net, validation: LabelledDigits, order: Order) -> bytes:
    """The ONNX file of a net, its probabilities made to mean what they say."""
    answers = training_loop.logits(net, as_served(validation.digits, "validation"))
    temperature = calibration.fitted_temperature(answers, validation.labels)
    notes = {"name": order.name, "seed": str(order.seed), "temperature": f"{temperature:.3f}"}
    return onnx_export.to_onnx(calibration.cooled(net, temperature), notes)


class Saying:
    """Says on standard output how far the retrain is, twice a second at most."""

    def __init__(self) -> None:
        self._said_at_s = 0.0

    def say(self, stage: str, share: float, **more: float) -> None:
        """Say it now; `share` is what is done of this stage."""
        sys.stdout.write(json.dumps({"stage": stage, "progress": share, **more}) + "\n")
        sys.stdout.flush()
        self._said_at_s = time.monotonic()

    def learning(self, share: float, loss: float, seconds_left: float) -> None:
        """Say how the training goes, unless that was said just now."""
        if share == 1 or time.monotonic() - self._said_at_s > SAY_EVERY_S:
            self.say("training", share, loss=loss, seconds_left=seconds_left)


def _end_with_parent() -> None:
    """Standard input ends when the process that holds its other end does, however it ended."""
    while os.read(0, 1):  # not through sys.stdin, whose lock would be held when Python ends
        pass
    os._exit(1)


def _write(path: Path, content: bytes) -> None:
    """Write a file whole, or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Training in a child process: files go in, progress comes out, and in the end a candidate."""

import json
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from app.domain.predictions import IMAGE_SIZE
from app.domain.promotion_gates import CandidateMetrics
from app.domain.training_set import LabelSplit, TrainingLabel

ROOT = Path(__file__).parents[3]
HEARTBEAT_INTERVAL_S = 1.0
MAX_LOG_BYTES = 64_000


@dataclass(frozen=True)
class TrainingConfig:
    """Where training is done, on how many threads, how long it may take, and what it is told."""

    folder: Path
    threads: int
    time_limit_s: float
    environment: Mapping[str, str]

    def clear(self) -> None:
        """Remove what trainings left that were killed: it holds people's pictures."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class TrainingSpec:
    """What is to be trained: the model to start from and those to be held against, as ONNX."""

    name: str
    seed: int
    labels: LabelSplit
    start: bytes
    serving: bytes
    bundled: bytes


@dataclass(frozen=True)
class Progress:
    """How far a training is; `progress` is what is done of the stage."""

    stage: str
    progress: float
    loss: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class Candidate:
    """What came of a training."""

    onnx: bytes
    marks: CandidateMetrics


class TrainingFailed(Exception):
    """The child ended without a candidate, or took too long."""


class TrainingProcess:
    """One training; its folder is removed at the end, and its child never outlives the block."""

    def __init__(self, config: TrainingConfig, name: str, spec: TrainingSpec) -> None:
        self._workshop = config
        self._folder = config.folder / name
        self._assignment = spec
        self._said: queue.Queue[Progress | None] = queue.Queue()

    def __enter__(self) -> "TrainingProcess":
        self._folder.mkdir(parents=True)
        _write_inputs(self._folder, self._assignment, self._workshop.threads)
        with (self._folder / "log").open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-W", "default", "-m", "app.training.retrain", str(self._folder)],
                cwd=ROOT,
                env=self._workshop.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._listening = threading.Thread(target=self._listen, name="training", daemon=True)
        self._listening.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        self._listening.join()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait_for_candidate(self, heartbeat: Callable[[Progress | None], None]) -> Candidate:
        """Wait for the candidate; tells how far it is, or None, at least once a second.

        Raises TrainingFailed, and whatever the heartbeat raises.
        """
        ends_at_s = time.monotonic() + self._workshop.time_limit_s
        while True:
            try:
                said = self._said.get(timeout=HEARTBEAT_INTERVAL_S)
            except queue.Empty:
                heartbeat(None)
            else:
                if said is None:
                    return self._candidate()
                heartbeat(said)
            if time.monotonic() > ends_at_s:
                raise TrainingFailed(f"took longer than {self._workshop.time_limit_s:.0f} s")

    @property
    def log(self) -> str:
        """The end of what the child wrote on its standard error."""
        return (self._folder / "log").read_bytes()[-MAX_LOG_BYTES:].decode(errors="replace")

    def _listen(self) -> None:
        """Runs in a thread of its own: pipe and child take as long as they like to end."""
        for line in self._child.stdout or ():
            if (said := _parse_progress(line)) is not None:
                self._said.put(said)
        self._child.wait()
        self._said.put(None)

    def _candidate(self) -> Candidate:
        status = self._child.returncode
        if status:
            lines = self.log.strip().splitlines() or [f"status {status}"]
            raise TrainingFailed(f"the training process ended: {lines[-1]}")
        try:
            marks = TypeAdapter(CandidateMetrics).validate_json(
                (self._folder / "marks.json").read_bytes()
            )
            return Candidate((self._folder / "candidate.onnx").read_bytes(), marks)
        except (OSError, ValidationError) as error:
            raise TrainingFailed("the training process left no candidate") from error


def _parse_progress(line: bytes) -> Progress | None:
    """What a line says; None for one that something else printed."""
    try:
        return TypeAdapter(Progress).validate_json(line)
    except ValidationError:
        return None


def _write_inputs(folder: Path, spec: TrainingSpec, threads: int) -> None:
    order = {"name": spec.name, "seed": spec.seed, "threads": threads}
    (folder / "order.json").write_text(json.dumps(order))
    for name in ("start", "serving", "shipped"):
        (folder / f"{name}.onnx").write_bytes(getattr(spec, name))
    train, holdout = spec.labels.train, spec.labels.holdout
    np.savez(
        folder / "lessons.npz",
        digits=_image_array(train),
        labels=_digit_array(train),
        holdout_digits=_image_array(holdout),
        holdout_labels=_digit_array(holdout),
    )


def _image_array(labels: Sequence[TrainingLabel]) -> npt.NDArray[np.uint8]:
    joined = b"".join(label.image for label in labels)
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE)


def _digit_array(labels: Sequence[TrainingLabel]) -> npt.NDArray[np.int64]:
    return np.array([label.digit for label in labels], dtype=np.int64)

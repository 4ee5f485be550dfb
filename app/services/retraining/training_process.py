"""Training in a child process, app.training.retrain; this process never imports torch.

The inputs are files in a folder; the child writes its progress to standard output, one line of JSON
at a time, and finally the candidate and its metrics to the folder. Its standard error is read into
memory: on a full disk a file would lose the very line that says so.
"""

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
STDERR_TIMEOUT_S = 5.0  # to read what the child wrote before it exited


@dataclass(frozen=True)
class TrainingConfig:
    """The working folder, steps, threads, time limit and environment of training processes."""

    folder: Path
    steps: int
    threads: int
    time_limit_s: float
    environment: Mapping[str, str]

    def clear(self) -> None:
        """Delete what killed training processes left behind: it contains users' images."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class TrainingSpec:
    """The inputs of a training: labels, and the models to start from and compare with, as ONNX."""

    name: str
    seed: int
    labels: LabelSplit
    start: bytes
    deployed: bytes
    bundled: bytes


@dataclass(frozen=True)
class Progress:
    """The progress of a training; `progress` is the completed fraction of the stage."""

    stage: str
    progress: float
    loss: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A trained model with its metrics."""

    onnx: bytes
    metrics: CandidateMetrics


class TrainingFailed(Exception):
    """The child exited without a candidate, or took too long."""


class TrainingProcess:
    """A training process as a context manager: on exit the child is killed, its folder deleted."""

    def __init__(self, config: TrainingConfig, name: str, spec: TrainingSpec) -> None:
        self._config = config
        self._folder = config.folder / name
        self._spec = spec
        self._progress: queue.Queue[Progress | None] = queue.Queue()
        self._stderr = b""

    def __enter__(self) -> "TrainingProcess":
        """Start the child. Raises TrainingFailed if its inputs cannot be written."""
        try:
            self._folder.mkdir(parents=True)
            _write_inputs(self._folder, self._spec, self._config)
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise TrainingFailed(f"cannot write to {self._folder}: {error.strerror}") from error
        self._child = subprocess.Popen(  # noqa: S603  our own module
            [sys.executable, "-W", "default", "-m", "app.training.retrain", str(self._folder)],
            cwd=ROOT,
            env=self._config.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._readers = [
            threading.Thread(target=read, name="training", daemon=True)
            for read in (self._read_stderr, self._read_progress)
        ]
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait_for_candidate(self, on_progress: Callable[[Progress | None], None]) -> Candidate:
        """Wait for the candidate, calling `on_progress` with new progress or None every second.

        Raise TrainingFailed, and whatever `on_progress` raises.
        """
        deadline_s = time.monotonic() + self._config.time_limit_s
        while True:
            try:
                progress = self._progress.get(timeout=HEARTBEAT_INTERVAL_S)
            except queue.Empty:
                on_progress(None)
            else:
                if progress is None:
                    return self._read_candidate()
                on_progress(progress)
            if time.monotonic() > deadline_s:
                raise TrainingFailed(f"took longer than {self._config.time_limit_s:.0f} s")

    @property
    def log(self) -> str:
        """Return the end of the child's standard error, as a terminal would show it."""
        lines = (line.rstrip().rpartition("\r")[2] for line in self._stderr_lines())
        return "\n".join(lines).strip()

    def _stderr_lines(self) -> list[str]:
        # Without NUL, which PostgreSQL does not store.
        return self._stderr.decode(errors="replace").replace("\0", "").split("\n")

    def _read_stderr(self) -> None:
        for line in self._child.stderr or ():
            self._stderr = (self._stderr + line)[-MAX_LOG_BYTES:]

    def _read_progress(self) -> None:
        """Queue progress, then None once the child has exited.

        It runs in its own thread, because reading the pipe and waiting for the child can block.
        """
        for line in self._child.stdout or ():
            if (progress := _parse_progress(line)) is not None:
                self._progress.put(progress)
        self._child.wait()
        self._readers[0].join(timeout=STDERR_TIMEOUT_S)
        self._progress.put(None)

    def _read_candidate(self) -> Candidate:
        status = self._child.returncode
        if status:
            raise TrainingFailed(f"the training process exited: {self._exit_reason(status)}")
        try:
            metrics = TypeAdapter(CandidateMetrics).validate_json(
                (self._folder / "metrics.json").read_bytes()
            )
            return Candidate((self._folder / "candidate.onnx").read_bytes(), metrics)
        except (OSError, ValidationError) as error:
            raise TrainingFailed("the training process wrote no candidate") from error

    def _exit_reason(self, status: int) -> str:
        """Return the last line of standard error that is no progress bar; else the status."""
        lines = [line for line in self._stderr_lines() if line.strip() and "\r" not in line]
        return lines[-1].strip() if lines and status > 0 else f"status {status}"


def _parse_progress(line: bytes) -> Progress | None:
    """Parse a line of standard output; return None if it is not a progress report."""
    try:
        return TypeAdapter(Progress).validate_json(line)
    except ValidationError:
        return None


def _write_inputs(folder: Path, spec: TrainingSpec, config: TrainingConfig) -> None:
    parameters = {
        "name": spec.name,
        "seed": spec.seed,
        "threads": config.threads,
        "steps": config.steps,
    }
    (folder / "spec.json").write_text(json.dumps(parameters))
    for name in ("start", "deployed", "bundled"):
        (folder / f"{name}.onnx").write_bytes(getattr(spec, name))
    train, holdout = spec.labels.train, spec.labels.holdout
    np.savez(
        folder / "labels.npz",
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

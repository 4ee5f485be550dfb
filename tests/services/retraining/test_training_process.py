"""Training's child process, and what it may do wrong."""

import os
import time
from pathlib import Path

import pytest

from app.domain.training_set import LabelSplit, TrainingLabel
from app.services.retraining import training_process
from app.services.retraining.training_process import (
    Progress,
    TrainingConfig,
    TrainingFailed,
    TrainingProcess,
    TrainingSpec,
)

ASSIGNMENT = TrainingSpec(
    name="m1",
    seed=1,
    labels=LabelSplit((TrainingLabel(bytes(784), 3, 1),), (TrainingLabel(bytes(784), 4, 2),)),
    start=b"",
    deployed=b"",
    bundled=b"",
)


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    return TrainingConfig(
        tmp_path / "work", threads=1, time_limit_s=3, environment=dict(os.environ)
    )


def have_trained_by(code: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have children run this code where they would train."""
    package = folder / "app" / "training"
    package.mkdir(parents=True)
    for name in (package.parent / "__init__.py", package / "__init__.py"):
        name.touch()
    (package / "retrain.py").write_text(code)
    monkeypatch.setattr(training_process, "ROOT", folder)


@pytest.mark.slow
def test_a_child_that_says_no_more_and_does_not_end_meets_the_time_limit(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_trained_by("import os, time\nos.close(1)\ntime.sleep(60)", monkeypatch, tmp_path)
    beats: list[Progress | None] = []
    begun_s = time.monotonic()
    with (
        TrainingProcess(config, "1-1", ASSIGNMENT) as training,
        pytest.raises(TrainingFailed, match="took longer than 3 s"),
    ):
        training.wait_for_candidate(beats.append)
    assert beats[0] is None
    assert time.monotonic() - begun_s < 30
    assert list(config.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise SystemExit('the disk is full')", "exited: the disk is full"),
        ("print('done')", "wrote no candidate"),
    ],
)
def test_a_child_that_ends_without_a_candidate_has_failed(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    have_trained_by(code, monkeypatch, tmp_path)
    with (
        TrainingProcess(config, "1-1", ASSIGNMENT) as training,
        pytest.raises(TrainingFailed, match=told),
    ):
        training.wait_for_candidate(lambda _: None)

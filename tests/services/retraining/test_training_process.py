"""The training process and its failures."""

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

WRITE_BARS = "import os, sys; sys.stderr.write('\\rseed 1:  9%|#   |\\rseed 1: 82%|### |')"

SPEC = TrainingSpec(
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
        tmp_path / "work", steps=50, threads=1, time_limit_s=3, environment=dict(os.environ)
    )


def replace_training_code(code: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Run this code in place of app.training.retrain."""
    package = folder / "app" / "training"
    package.mkdir(parents=True)
    for name in (package.parent / "__init__.py", package / "__init__.py"):
        name.touch()
    (package / "retrain.py").write_text(code)
    monkeypatch.setattr(training_process, "ROOT", folder)


@pytest.mark.slow
def test_a_silent_process_that_does_not_exit_is_stopped_at_the_time_limit(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_training_code("import os, time\nos.close(1)\ntime.sleep(60)", monkeypatch, tmp_path)
    reports: list[Progress | None] = []
    started_at_s = time.monotonic()
    with (
        TrainingProcess(config, "1-1", SPEC) as training,
        pytest.raises(TrainingFailed, match="took longer than 3 s"),
    ):
        training.wait_for_candidate(reports.append)
    assert reports[0] is None
    assert time.monotonic() - started_at_s < 30
    assert list(config.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise SystemExit('the disk is full')", "exited: the disk is full"),
        (f"{WRITE_BARS}\nraise OSError(28, 'No space left')", "exited: OSError: .* No space left"),
        (f"{WRITE_BARS}; sys.exit(1)", "exited: status 1"),
        (
            f"{WRITE_BARS}; print('a warning', file=sys.stderr); os.kill(os.getpid(), 9)",
            "exited: status -9",
        ),
        ("print('done')", "wrote no candidate"),
    ],
)
def test_a_process_that_exits_without_a_candidate_has_failed(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    replace_training_code(code, monkeypatch, tmp_path)
    with (
        TrainingProcess(config, "1-1", SPEC) as training,
        pytest.raises(TrainingFailed, match=message),
    ):
        training.wait_for_candidate(lambda _: None)


def test_the_log_is_what_a_terminal_shows_of_progress_bars(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = rf"{WRITE_BARS}; sys.stderr.write('\r        \rfirst\n\0last \xff\n')"
    replace_training_code(code, monkeypatch, tmp_path)
    training = TrainingProcess(config, "1-1", SPEC)
    with training, pytest.raises(TrainingFailed):
        training.wait_for_candidate(lambda _: None)
    assert training.log == "first\nlast \xff"


def test_inputs_that_cannot_be_written_are_a_failed_training_and_leave_nothing(
    config: TrainingConfig,
) -> None:
    config.folder.write_text("a file where the folder should be")
    with (
        pytest.raises(TrainingFailed, match=r"^cannot write to .*: Not a directory$"),
        TrainingProcess(config, "1-1", SPEC),
    ):
        pass
    assert config.folder.read_text() == "a file where the folder should be"

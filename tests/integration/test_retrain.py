"""Retrains of a served Cifra, from labels to the model in service, and what a death does."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.training.datasets import load_base_sets
from benchmarks.styles import outline
from tests.conftest import GoldenSet, make_config, second_app
from tests.support.review_data import label, submitters
from tests.support.server_process import UNLIMITED, Client, Server, serve

LABELS, FEW_LABELS = 150, 30  # enough to learn from, and enough to begin with
TRAINED_WITHIN_S = 800

A_SECRET = "a secret that is 32 bytes long, or longer"


@pytest.fixture
def school(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A served Cifra whose reviewers have labelled hollow digits, no more than a test needs."""
    training, labels = load_base_sets().training, getattr(request, "param", FEW_LABELS)
    with serve(tmp_path / "school", **UNLIMITED) as running:
        with second_app(make_config(running.data_dir)) as app:
            senders = submitters(app, 3)
            pictures = [outline(digit) for digit in training.digits[:labels]]
            label(app, pictures, training.labels[:labels], senders)
        yield running


def started(admin: Client) -> str:
    """Start a retrain of v1, the smaller net; returns where its job is shown."""
    answer = admin.call("POST", "/admin/retrain", json={"version": "v1"})
    assert answer.status_code == 202, answer.text
    return answer.headers["Location"]


def until(admin: Client, location: str, *statuses: str) -> dict[str, object]:
    """The job, once it is at one of these."""
    deadline = time.monotonic() + TRAINED_WITHIN_S
    while time.monotonic() < deadline:
        job: dict[str, object] = admin.call("GET", location).json()
        if job["status"] in statuses:
            return job
        time.sleep(0.2)
    raise AssertionError(job)


def training_of(server: Server) -> psutil.Process:
    """The child process that trains."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for process in psutil.Process(server.process.pid).children(recursive=True):
            if "app.training.retrain" in process.cmdline():
                return process
        time.sleep(0.1)
    raise AssertionError("nothing trains")


def is_cleared(server: Server) -> bool:
    """Whether nothing of a training is left on disk, within seconds of its end."""
    deadline = time.monotonic() + 10
    while (server.data_dir / "retrains").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not (server.data_dir / "retrains").exists()


@pytest.mark.parametrize("school", [LABELS], indirect=True)
def test_a_retrain_teaches_hollow_digits_and_goes_into_service_without_one_failed_request(
    school: Server, golden: GoldenSet
) -> None:
    admin, answers, is_over = school.admin_client(), [], threading.Event()
    before = admin.predict("v1", golden.png_of(3)).json()["model"]

    def use() -> None:
        cleo = school.register("cleo")
        while not is_over.is_set():
            answers.append(cleo.predict("ab", golden.png(len(answers) % 500)).status_code)
            # A flood would leave the child, which is at the lowest priority, nothing.
            time.sleep(0.1)

    using = threading.Thread(target=use)
    using.start()
    try:
        location = started(admin)
        seen = set()
        while (job := admin.call("GET", location).json())["status"] in {"queued", "running"}:
            seen.add(job["stage"])
            time.sleep(0.2)
        assert job["status"] == "deployed", job
        deadline = time.monotonic() + 2
        while admin.predict("v1", golden.png_of(3)).json()["model"] == before:
            assert time.monotonic() < deadline
    finally:
        is_over.set()
        using.join()
    assert {"preparing", "training", "evaluating"} <= seen
    assert set(answers) == {200}
    assert job["gates"][-1]["metrics"]["holdout"] > 0.1
    assert is_cleared(school)
    rolled_back = admin.call("POST", "/admin/versions/v1/rollback").json()
    assert rolled_back["model"]["hash"] == before["hash"]


def test_a_killed_training_ends_its_job_and_the_old_model_serves_on(
    school: Server, golden: GoldenSet
) -> None:
    admin = school.admin_client()
    location = started(admin)
    training_of(school).kill()
    job = until(admin, location, "failed")
    assert job["error"] == "the training process exited: status -9"
    assert admin.predict("v1", golden.png_of(3)).status_code == 200
    assert admin.call("GET", "/admin/deployments").json()["deployments"][0]["reason"] == "bundled"


def test_a_cancelled_training_ends_within_seconds(school: Server) -> None:
    admin = school.admin_client()
    location = started(admin)
    training = training_of(school)
    assert admin.call("POST", f"{location}/cancel").status_code == 200
    assert until(admin, location, "cancelled")["model_id"] is None
    assert not training.is_running()


def test_a_training_that_takes_too_long_is_ended(school: Server) -> None:
    school.stop()
    with serve(school.data_dir, **UNLIMITED, RETRAIN_TIME_LIMIT_S="1") as hurried:
        admin = hurried.admin_client()
        job = until(admin, started(admin), "failed")
    assert job["error"] == "took longer than 1 s"


def test_after_kill_9_of_the_server_its_training_ends_and_the_job_is_taken_up_again(
    school: Server,
) -> None:
    location = started(school.admin_client())
    training = training_of(school)
    school.process.kill()
    for child in psutil.Process(school.process.pid).children():
        if child.pid != training.pid:
            child.kill()
    school.process.wait()
    with serve(school.data_dir, **UNLIMITED) as again:
        admin = again.admin_client()
        training.wait(timeout=30)
        anew = training_of(again)
        assert anew.pid != training.pid
        assert admin.call("POST", f"{location}/cancel").status_code == 200
        until(admin, location, "cancelled")
        assert is_cleared(again)


def test_a_server_that_ends_while_it_trains_hands_the_job_to_the_next(school: Server) -> None:
    location = started(school.admin_client())
    training = training_of(school)
    school.stop()
    assert not training.is_running()
    assert "SIGABRT" not in school.log.read_text()
    with serve(school.data_dir, **UNLIMITED, SECRET_KEY=A_SECRET) as again:
        assert A_SECRET not in training_of(again).environ().values()  # it needs none
        assert A_SECRET in psutil.Process(again.process.pid).environ().values()
        assert again.admin_client().call("GET", location).json()["error"] is None

"""Retrains on a running server, from labels to the deployed model, and killed processes."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.training.datasets import load_base_sets
from benchmarks.styles import outline
from tests.conftest import GoldenSet, make_config, opened_app
from tests.support.review_data import create_submitters, label_images
from tests.support.server_process import UNLIMITED, Client, Server, serve

LABELS, FEW_LABELS = 150, 30  # enough to improve, and enough to start a retrain
TRAINED_WITHIN_S = 800

A_SECRET = "a secret that is 32 bytes long, or longer"


@pytest.fixture
def labeled_server(
    tmp_path: Path, request: pytest.FixtureRequest, *, is_long: bool
) -> Iterator[Server]:
    """Serve Cifra with labeled images of hollow digits, as many as the test needs."""
    training, labels = load_base_sets().training, getattr(request, "param", FEW_LABELS)
    steps = {} if is_long else {"RETRAIN_STEPS": "250"}
    with serve(tmp_path / "data", **UNLIMITED, **steps) as running:
        with opened_app(make_config(running.data_dir)) as app:
            submitter_ids = create_submitters(app, 3)
            images = [outline(digit) for digit in training.digits[:labels]]
            label_images(app, images, training.labels[:labels], submitter_ids)
        yield running


def start_retrain(admin: Client) -> str:
    """Start a retrain of v1, the smaller network; return the URL of the job."""
    answer = admin.call("POST", "/admin/retrain", json={"version": "v1"})
    assert answer.status_code == 202, answer.text
    return answer.headers["Location"]


def wait_for(admin: Client, location: str, *statuses: str) -> dict[str, object]:
    """Wait until the job has one of these statuses; return it."""
    deadline = time.monotonic() + TRAINED_WITHIN_S
    while time.monotonic() < deadline:
        job: dict[str, object] = admin.call("GET", location).json()
        if job["status"] in statuses:
            return job
        time.sleep(0.2)
    raise AssertionError(job)


def training_process(server: Server) -> psutil.Process:
    """Wait for the training process; return it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for process in psutil.Process(server.process.pid).children(recursive=True):
            if "app.training.retrain" in process.cmdline():
                return process
        time.sleep(0.1)
    raise AssertionError("no training process")


def is_cleaned_up(server: Server) -> bool:
    """Return whether the training folder is deleted, soon after its job has ended."""
    deadline = time.monotonic() + 30
    while (server.data_dir / "retrains").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not (server.data_dir / "retrains").exists()


@pytest.mark.long
@pytest.mark.parametrize("labeled_server", [LABELS], indirect=True)
def test_a_retrain_learns_hollow_digits_and_is_deployed_without_a_failed_request(
    labeled_server: Server, golden: GoldenSet
) -> None:
    admin, answers, is_over = labeled_server.admin_client(), [], threading.Event()
    before = admin.predict("v1", golden.png_of(3)).json()["model"]

    def send_requests() -> None:
        cleo = labeled_server.register("cleo")
        while not is_over.is_set():
            answers.append(cleo.predict("ab", golden.png(len(answers) % 500)).status_code)
            # Without a pause the training process, which has the lowest priority, would starve.
            time.sleep(0.1)

    thread = threading.Thread(target=send_requests)
    thread.start()
    try:
        location = start_retrain(admin)
        seen = set()
        while (job := admin.call("GET", location).json())["status"] in {"queued", "running"}:
            seen.add(job["stage"])
            time.sleep(0.2)
        assert job["status"] == "deployed", job
        deadline = time.monotonic() + 30
        while admin.predict("v1", golden.png_of(3)).json()["model"] == before:
            assert time.monotonic() < deadline
    finally:
        is_over.set()
        thread.join()
    assert {"preparing", "training", "evaluating"} <= seen
    assert set(answers) == {200}
    assert job["gates"][-1]["metrics"]["holdout"] > 0.1
    assert is_cleaned_up(labeled_server)
    rolled_back = admin.call("POST", "/admin/versions/v1/rollback").json()
    assert rolled_back["model"]["hash"] == before["hash"]


def test_a_killed_training_process_fails_its_job_and_the_old_model_stays_deployed(
    labeled_server: Server, golden: GoldenSet
) -> None:
    admin = labeled_server.admin_client()
    location = start_retrain(admin)
    training_process(labeled_server).kill()
    job = wait_for(admin, location, "failed")
    assert job["error"] == "the training process exited: status -9"
    assert admin.predict("v1", golden.png_of(3)).status_code == 200
    assert admin.call("GET", "/admin/deployments").json()["deployments"][0]["reason"] == "bundled"


def test_a_cancelled_retrain_ends_within_seconds(labeled_server: Server) -> None:
    admin = labeled_server.admin_client()
    location = start_retrain(admin)
    training = training_process(labeled_server)
    assert admin.call("POST", f"{location}/cancel").status_code == 200
    assert wait_for(admin, location, "cancelled")["model_id"] is None
    assert not training.is_running()


def test_a_retrain_that_takes_too_long_fails(labeled_server: Server) -> None:
    labeled_server.stop()
    with serve(labeled_server.data_dir, **UNLIMITED, RETRAIN_TIME_LIMIT_S="1") as limited:
        admin = limited.admin_client()
        job = wait_for(admin, start_retrain(admin), "failed")
    assert job["error"] == "took longer than 1 s"


@pytest.mark.long
def test_after_kill_9_of_the_server_the_training_process_ends_and_the_job_is_claimed_again(
    labeled_server: Server,
) -> None:
    location = start_retrain(labeled_server.admin_client())
    training = training_process(labeled_server)
    labeled_server.process.kill()
    for child in psutil.Process(labeled_server.process.pid).children():
        if child.pid != training.pid:
            child.kill()
    labeled_server.process.wait()
    with serve(labeled_server.data_dir, **UNLIMITED) as restarted:
        admin = restarted.admin_client()
        training.wait(timeout=30)
        restarted_training = training_process(restarted)
        assert restarted_training.pid != training.pid
        assert admin.call("POST", f"{location}/cancel").status_code == 200
        wait_for(admin, location, "cancelled")
        assert is_cleaned_up(restarted)


def test_a_server_that_stops_during_a_retrain_releases_the_job_to_the_next(
    labeled_server: Server,
) -> None:
    location = start_retrain(labeled_server.admin_client())
    training = training_process(labeled_server)
    labeled_server.stop()
    assert not training.is_running()
    assert "SIGABRT" not in labeled_server.log.read_text()
    with serve(labeled_server.data_dir, **UNLIMITED, SECRET_KEY=A_SECRET) as restarted:
        environment = training_process(restarted).environ()
        assert environment["DATA_DIR"] == str(restarted.data_dir)
        assert A_SECRET not in environment.values()  # training needs no secrets
        assert restarted.admin_client().call("GET", location).json()["error"] is None

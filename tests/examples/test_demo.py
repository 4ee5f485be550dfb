"""The demo fills an instance through its API, continues with it, and leaves nothing running."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from cifra_client import Cifra, NotAllowed
from examples.demo.people import REVIEWER, USERS
from tests.support.server_process import ROOT, UNLIMITED, free_port, serve

SMALL = ("--requests", "80", "--labels", "12")
FILLED_WITHIN_S = 120


def start(data_dir: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "examples.demo", "--data-dir", str(data_dir), *SMALL, *options],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
            "DATABASE_URL": "sqlite:////nowhere/that/must/not/be/filled.db",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@dataclass(frozen=True)
class Filled:
    """A data directory that the demo has filled, and what it printed."""

    folder: Path
    printed: str

    def copy_to(self, folder: Path) -> None:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    folder = tmp_path_factory.mktemp("demo")
    demo = start(folder, "--once", "--port", str(free_port()))
    printed, _ = demo.communicate(timeout=FILLED_WITHIN_S)
    assert demo.returncode == 0, printed
    return Filled(folder, printed)


def test_demo_fills_an_instance_with_requests_feedback_and_labels(
    filled: Filled, tmp_path: Path
) -> None:
    filled.copy_to(tmp_path)
    printed = filled.printed
    assert " ratings, " in printed
    assert "no retrain: A retrain needs 20 reviewed images" in printed
    assert "/dashboard" in printed
    for person in USERS:
        assert person.name in printed
    with (
        serve(tmp_path, **UNLIMITED) as server,
        Cifra(server.url) as admin,
        Cifra(server.url) as vera,
    ):
        admin.login("admin", server.admin_password)
        report = admin.report()
        vera.login(REVIEWER, (tmp_path / "people_password").read_text())
        vera.review_next()  # which a user may not ask for
        with pytest.raises(NotAllowed):
            vera.report()
    assert sum(version.served for version in report.versions.values()) == 80
    assert report.total_feedback > 0
    assert report.experiment is not None
    assert 0 < report.experiment.labels["total"] <= 24
    assert report.experiment.labels["skipped"] == 0
    assert (tmp_path / "people_password").stat().st_mode & 0o077 == 0


def test_demo_continues_with_existing_data_until_ctrl_c(filled: Filled, tmp_path: Path) -> None:
    filled.copy_to(tmp_path)
    port = free_port()
    demo = start(tmp_path, "--no-retrain", "--port", str(port))
    try:
        with Cifra(f"http://127.0.0.1:{port}") as admin:
            _wait_until_served(f"http://127.0.0.1:{port}")
            admin.login("admin", (tmp_path / "admin_password").read_text().strip())
            deadline_s = time.monotonic() + FILLED_WITHIN_S
            while (served := _served(admin)) <= 80 and time.monotonic() < deadline_s:
                time.sleep(0.2)
    finally:
        demo.send_signal(signal.SIGINT)
        printed, _ = demo.communicate(timeout=180)
    assert served > 80
    assert " ratings, " not in printed  # it was full
    assert demo.returncode == 0
    assert "demo: stopped" in printed
    assert _is_stopped(port)


def _wait_until_served(url: str) -> None:
    deadline_s = time.monotonic() + FILLED_WITHIN_S
    while time.monotonic() < deadline_s:
        try:
            requests.get(f"{url}/readyz", timeout=5).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(url)


def _served(admin: Cifra) -> int:
    return sum(version.served for version in admin.report().versions.values())


def _is_stopped(port: int) -> bool:
    try:
        requests.get(f"http://127.0.0.1:{port}/livez", timeout=5)
    except requests.ConnectionError:
        return True
    return False

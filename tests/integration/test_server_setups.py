"""The second server setup: granian for HTTP, and a service for live connections only."""

import ctypes
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import GoldenSet
from tests.support.file_modes import list_accessible, list_umasks
from tests.support.live_client import LiveClient, connect_live, wait_until
from tests.support.server_process import HTTP_TIER, UNLIMITED, Server, serve


@pytest.fixture(scope="module")
def granian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("granian"), HTTP_TIER, **UNLIMITED) as running:
        yield running


def test_granian_recognizes_golden_digits(granian: Server, golden: GoldenSet) -> None:
    ana = granian.register("ana")
    for route in ("v1", "v2", "ab"):
        digits = [ana.predict(route, golden.png(index)).json()["prediccion"] for index in range(30)]
        assert (
            sum(digit == label for digit, label in zip(digits, golden.labels, strict=False)) >= 29
        )


def test_sixteen_concurrent_requests_each_get_their_own_prediction(
    granian: Server, golden: GoldenSet
) -> None:
    ben = granian.register("ben")
    indices = [index for index in range(150) if index not in {8, 115}]

    def predict(index: int) -> tuple[int, str]:
        answer = ben.predict("v2", golden.png(index)).json()
        return answer["prediccion"], answer["prediction_id"]

    with ThreadPoolExecutor(16) as pool:
        predictions = list(pool.map(predict, indices))
    assert (
        sum(predictions[at][0] == golden.labels[index] for at, index in enumerate(indices)) >= 147
    )
    for at in (0, 70, 140):
        stored = ben.call("GET", f"/predictions/{predictions[at][1]}").json()
        assert stored["prediccion"] == predictions[at][0]


def test_granian_rejects_bad_requests_as_gunicorn_does(granian: Server, golden: GoldenSet) -> None:
    assert requests.post(f"{granian.url}/api/v2/predict", timeout=30).status_code == 401
    cleo = granian.register("cleo")
    assert cleo.call("POST", "/api/v2/predict").status_code == 400
    assert cleo.predict("v2", b"not an image").status_code == 415
    assert cleo.call("GET", "/nowhere").json()["status"] == 404
    assert cleo.call("GET", "/socket.io/?EIO=4&transport=websocket").status_code == 404
    headers = {"Content-Type": "image/png", "Transfer-Encoding": "chunked"}
    chunked = cleo.request(
        "POST",
        f"{granian.url}/api/v2/predict",
        data=iter([golden.png(3)]),
        headers=headers,
        timeout=30,
    )
    assert chunked.json()["prediccion"] == golden.labels[3]


def test_all_processes_of_granian_create_private_files(granian: Server) -> None:
    granian.register("eva")
    assert list_accessible(granian.data_dir) == []
    assert list_umasks(granian.process.pid) == {0o077}


def test_no_granian_process_loads_torch(granian: Server) -> None:
    processes = [psutil.Process(granian.process.pid)]
    processes += processes[0].children(recursive=True)
    mapped = {each.path for process in processes for each in process.memory_maps()}
    assert any("onnxruntime" in path for path in mapped)
    assert not any("torch" in path for path in mapped)


def test_dashboards_on_the_live_service_receive_predictions_served_by_granian(
    granian: Server, golden: GoldenSet
) -> None:
    with serve(granian.data_dir, **UNLIMITED, ROLE="live") as live:
        admin = granian.admin_client()
        for path, status in (("/livez", 200), ("/metrics", 200), ("/", 404), ("/predictions", 404)):
            assert requests.get(f"{live.url}{path}", timeout=30).status_code == status
        files = {"file": ("digit.png", golden.png(0))}
        rejected = requests.post(f"{live.url}/api/v2/predict", files=files, timeout=30)
        assert rejected.status_code == 404
        with connect_live(live.url, admin.tokens["access_token"]) as dashboard:
            before = dashboard.wait_for("traffic")["versions"]["v1"]["served"]
            admin.predict("v1", golden.png(0))
            counts = wait_until(
                lambda: served_count(dashboard) > before and [served_count(dashboard)],
                "the prediction",
            )
            assert counts == [before + 1]


def served_count(dashboard: LiveClient) -> int:
    """Return the number of v1 predictions in the dashboard's last event."""
    return int(dashboard.received("traffic")[-1]["versions"]["v1"]["served"])


def test_a_terminated_granian_answers_accepted_requests(tmp_path: Path, golden: GoldenSet) -> None:
    with serve(tmp_path, HTTP_TIER, **UNLIMITED) as running:
        ana = running.register("ana")
        statuses: list[int] = []

        def post(_: int) -> None:
            for index in range(200):
                try:
                    statuses.append(ana.predict("v2", golden.png(index)).status_code)
                except requests.ConnectionError:
                    return

        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(post, number) for number in range(4)]
            while len(statuses) < 40:
                time.sleep(0.01)
            os.kill(running.process.pid, signal.SIGTERM)
            assert running.process.wait(10) == 0
        assert [future.exception() for future in futures] == [None] * 4
        assert set(statuses) == {200}


def workers_of(server: Server) -> list[psutil.Process]:
    """Return granian's workers, which have loaded the models, as decoders have too."""
    return [
        process
        for process in psutil.Process(server.process.pid).children(recursive=True)
        if any("onnxruntime" in each.path for each in process.memory_maps())
        and not any("decoder_process" in argument for argument in process.cmdline())
    ]


def test_a_killed_granian_worker_is_replaced(tmp_path: Path, golden: GoldenSet) -> None:
    with serve(tmp_path / "data", HTTP_TIER, **UNLIMITED) as running:
        ana = running.register("ana")
        (killed,) = workers_of(running)
        killed.kill()
        killed.wait(10)
        running.wait()
        assert ana.predict("v2", golden.png(0)).status_code == 200
        assert killed.pid not in {process.pid for process in workers_of(running)}


def test_granian_handles_a_signal_that_another_thread_than_the_main_one_receives(
    tmp_path: Path,
) -> None:
    with serve(tmp_path / "data", HTTP_TIER, **UNLIMITED) as running:
        (worker,) = workers_of(running)
        terminate_in_another_thread(worker)
        worker.wait(30)
        terminate_in_another_thread(psutil.Process(running.process.pid))
        running.process.wait(30)


def terminate_in_another_thread(process: psutil.Process) -> None:
    """Send SIGTERM to a thread that is not the process's main thread."""
    other = next(thread.id for thread in process.threads() if thread.id != process.pid)
    assert ctypes.CDLL(None).tgkill(process.pid, other, signal.SIGTERM) == 0


def test_granian_workers_end_with_their_killed_parent(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", UNLIMITED, HTTP_TIER)
    server.wait()
    workers = workers_of(server)
    server.process.kill()
    server.process.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert workers
    assert alive == []


def test_granian_workers_that_still_start_end_with_their_killed_parent(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", UNLIMITED, HTTP_TIER)
    wait_until(lambda: workers_of(server) != [], "a worker that loads the application")
    workers = psutil.Process(server.process.pid).children(recursive=True)
    server.process.kill()
    server.process.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []


def test_granian_rejects_http_2_without_tls(granian: Server) -> None:
    with socket.create_connection(("127.0.0.1", granian.port), timeout=10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        answer = connection.recv(1_000)
    assert not answer or answer.startswith(b"HTTP/1.1 4")

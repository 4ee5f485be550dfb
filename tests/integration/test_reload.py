"""A server is reloaded, or stopped, under load: no request fails, and readiness tells first."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
import requests

from benchmarks.chaos.load_clients import Responses, sending_requests
from tests.conftest import GoldenSet
from tests.support.live_client import wait_until
from tests.support.server_process import EMBEDDED, HTTP_TIER, UNLIMITED, Server, serve

CLIENTS = 4
BOTH = pytest.mark.parametrize("command", [EMBEDDED, HTTP_TIER], ids=["gunicorn", "granian"])


def list_workers(server: Server) -> set[int]:
    """Return the ids of the processes that have loaded the models."""
    children = psutil.Process(server.process.pid).children()
    return {child.pid for child in children if has_models(child)}


def has_models(process: psutil.Process) -> bool:
    """Return whether a process runs and has loaded the models."""
    try:
        return any("onnxruntime" in each.path for each in process.memory_maps())
    except psutil.NoSuchProcess:  # it has just ended
        return False


@BOTH
def test_no_request_fails_while_a_server_is_reloaded(
    tmp_path: Path, command: Sequence[str]
) -> None:
    responses = Responses()
    with serve(tmp_path / "data", command, **UNLIMITED) as server:
        clients = [server.register(f"client {number}") for number in range(CLIENTS)]
        for client in clients[::2]:
            client.headers["Connection"] = "close"
        before = list_workers(server)
        with sending_requests(clients, responses, reconnect=True):
            os.kill(server.process.pid, signal.SIGHUP)
            wait_until(
                lambda: (now := list_workers(server)) and not now & before, "the new worker alone"
            )
            so_far = len(responses.statuses)
            wait_until(lambda: len(responses.statuses) > so_far + 20, "answers of the new worker")
    assert responses.errors == []
    assert set(responses.statuses) == {200}


@BOTH
def test_readiness_ends_before_a_terminated_server_stops_answering(
    tmp_path: Path, golden: GoldenSet, command: Sequence[str]
) -> None:
    settings = UNLIMITED | {"DRAIN_TIME_S": "600"}
    with serve(tmp_path / "data", command, **settings) as server:
        ana = server.register("ana")
        os.kill(server.process.pid, signal.SIGTERM)
        wait_until(
            lambda: requests.get(f"{server.url}/readyz", timeout=30).status_code == 503, "the drain"
        )
        assert "about to stop" in requests.get(f"{server.url}/readyz", timeout=30).text
        assert requests.get(f"{server.url}/livez", timeout=30).status_code == 200
        assert ana.predict("v2", golden.png(0)).status_code == 200
        assert server.login("ana", "password of ana").predict("ab", golden.png(1)).ok
        os.kill(server.process.pid, signal.SIGINT)  # not in ten minutes, but now
        assert server.process.wait(60) == 0


def test_gunicorn_refuses_another_worker_that_would_count_limits_by_itself(
    server: Server, golden: GoldenSet
) -> None:
    ana = server.register("ana who stays")
    before = list_workers(server)
    for number, name in ((signal.SIGTTIN, "ttin"), (signal.SIGTTOU, "ttou")):
        os.kill(server.process.pid, number)
        line = f"Handling signal: {name}"
        wait_until(lambda wanted=line: wanted in server.log.read_text(), line)
        assert ana.predict("v2", golden.png(0)).status_code == 200
    assert list_workers(server) == before
    refusal = "a worker more is refused: cifra: WEB_WORKERS must be 1"
    assert server.log.read_text().count(refusal) == 1

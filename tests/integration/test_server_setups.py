"""The two ways to serve one code: an HTTP tier under granian, and the sockets by themselves."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import GoldenSet
from tests.support.live_client import LiveClient, connect_live, wait_until
from tests.support.server_process import HTTP_TIER, UNLIMITED, Server, serve


@pytest.fixture(scope="module")
def tier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("tier"), HTTP_TIER, **UNLIMITED) as running:
        yield running


def test_the_tier_reads_golden_digits(tier: Server, golden: GoldenSet) -> None:
    ana = tier.register("ana")
    for route in ("v1", "v2", "ab"):
        read = [ana.predict(route, golden.png(index)).json()["prediccion"] for index in range(30)]
        assert sum(read == label for read, label in zip(read, golden.labels, strict=False)) >= 29


def test_sixteen_at_once_are_answered_each_with_its_own(tier: Server, golden: GoldenSet) -> None:
    ben = tier.register("ben")
    right = [index for index in range(150) if index not in {8, 115}]

    def read(index: int) -> tuple[int, str]:
        answer = ben.predict("v2", golden.png(index)).json()
        return answer["prediccion"], answer["prediction_id"]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(read, right))
    assert sum(found[at][0] == golden.labels[index] for at, index in enumerate(right)) >= 147
    for at in (0, 70, 140):
        kept = ben.call("GET", f"/predictions/{found[at][1]}").json()
        assert kept["prediccion"] == found[at][0]


def test_the_tier_refuses_as_the_embedded_server_does(tier: Server, golden: GoldenSet) -> None:
    assert requests.post(f"{tier.url}/api/v2/predict", timeout=30).status_code == 401
    cleo = tier.register("cleo")
    assert cleo.call("POST", "/api/v2/predict").status_code == 400
    assert cleo.predict("v2", b"no picture").status_code == 415
    assert cleo.call("GET", "/nowhere").json()["status"] == 404
    assert cleo.call("GET", "/socket.io/?EIO=4&transport=websocket").status_code == 404
    headers = {"Content-Type": "image/png", "Transfer-Encoding": "chunked"}
    chunked = cleo.request(
        "POST",
        f"{tier.url}/api/v2/predict",
        data=iter([golden.png(3)]),
        headers=headers,
        timeout=30,
    )
    assert chunked.json()["prediccion"] == golden.labels[3]


def test_torch_is_in_no_process_of_the_tier(tier: Server) -> None:
    processes = [psutil.Process(tier.process.pid)]
    processes += processes[0].children(recursive=True)
    mapped = {each.path for process in processes for each in process.memory_maps()}
    assert any("onnxruntime" in path for path in mapped)
    assert not any("torch" in path for path in mapped)


def test_dashboards_on_the_live_service_hear_what_the_tier_answers(
    tier: Server, golden: GoldenSet
) -> None:
    with serve(tier.data_dir, **UNLIMITED, ROLE="live") as live:
        admin = tier.admin_client()
        for path, status in (("/livez", 200), ("/metrics", 200), ("/", 404), ("/predictions", 404)):
            assert requests.get(f"{live.url}{path}", timeout=30).status_code == status
        picture = {"file": ("digit.png", golden.png(0))}
        refused = requests.post(f"{live.url}/api/v2/predict", files=picture, timeout=30)
        assert refused.status_code == 404
        with connect_live(live.url, admin.tokens["access_token"]) as dashboard:
            before = dashboard.wait_for("traffic")["versions"]["v1"]["served"]
            admin.predict("v1", golden.png(0))
            told = wait_until(
                lambda: served(dashboard) > before and [served(dashboard)], "the answer"
            )
            assert told == [before + 1]


def served(dashboard: LiveClient) -> int:
    """How many answers of v1 a dashboard was last told of."""
    return int(dashboard.received("traffic")[-1]["versions"]["v1"]["served"])


def test_an_ended_tier_answers_what_it_took(tmp_path: Path, golden: GoldenSet) -> None:
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
            posting = [pool.submit(post, number) for number in range(4)]
            while len(statuses) < 40:
                time.sleep(0.01)
            os.kill(running.process.pid, signal.SIGTERM)
            assert running.process.wait(10) == 0
        assert [future.exception() for future in posting] == [None] * 4
        assert set(statuses) == {200}

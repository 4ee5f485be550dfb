"""Acknowledged data is stored: with many concurrent threads, and after kill -9."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.conftest import GoldenSet
from tests.support.server_process import UNLIMITED, Client, Server

THREADS = 16


def list_prediction_ids(client: Client) -> set[str]:
    """Return the ids of all of a user's predictions, page by page."""
    found: set[str] = set()
    before = ""
    while True:
        page = client.call("GET", f"/predictions?limit=100{before}").json()
        found |= {entry["prediction_id"] for entry in page["predictions"]}
        if page["next_before"] is None:
            return found
        before = f"&before={page['next_before']}"


def test_concurrent_posts_are_all_accepted_and_stored(server: Server, golden: GoldenSet) -> None:
    clients = [server.register(f"thread {number}") for number in range(THREADS)]

    def post(client: Client) -> tuple[list[int], set[str]]:
        answers = [client.predict("ab", golden.png(index)) for index in range(25)]
        statuses = [answer.status_code for answer in answers]
        return statuses, {answer.json()["prediction_id"] for answer in answers}

    with ThreadPoolExecutor(THREADS) as pool:
        posted = list(pool.map(post, clients))
    for client, (statuses, ids) in zip(clients, posted, strict=True):
        assert statuses == [200] * 25
        assert list_prediction_ids(client) == ids


def test_acknowledged_predictions_and_feedback_survive_kill_9(
    tmp_path: Path, golden: GoldenSet
) -> None:
    acknowledged: list[str] = []
    feedback_ids: list[str] = []
    statuses: set[int] = set()
    enough = threading.Event()
    first = Server(tmp_path, UNLIMITED)
    first.wait()
    clients = [first.register(f"poster {number}") for number in range(THREADS)]

    def post(client: Client) -> None:
        for index in range(500):
            try:
                made = client.predict("v2", golden.png(index))
                statuses.add(made.status_code)
                acknowledged.append(made.json()["prediction_id"])
                feedback = {"prediction_id": acknowledged[-1], "correct": True}
                if client.call("POST", "/feedback", json=feedback).status_code == 201:
                    feedback_ids.append(feedback["prediction_id"])
            except requests.RequestException:
                return
            if len(acknowledged) >= 300:
                enough.set()

    with ThreadPoolExecutor(THREADS) as pool:
        posting = [pool.submit(post, client) for client in clients]
        assert enough.wait(60)
        first.kill()
    for done in posting:
        done.result()
    assert statuses == {200}

    second = Server(tmp_path, UNLIMITED)
    second.wait()
    try:
        returned = [second.login(f"poster {i}", f"password of poster {i}") for i in range(THREADS)]
        kept = set().union(*(list_prediction_ids(client) for client in returned))
        report = second.admin_client().call("GET", "/admin/report").json()
    finally:
        second.stop()
    assert len(acknowledged) >= 300
    assert set(acknowledged) <= kept
    assert report["total_feedback"] >= len(feedback_ids)


@pytest.mark.parametrize("route", ["v1", "v2", "ab"])
def test_a_prediction_is_stored_before_its_response(
    server: Server, golden: GoldenSet, route: str
) -> None:
    reader = server.register(f"impatient with {route}")
    made = reader.predict(route, golden.png(0)).json()
    found = reader.call("GET", f"/predictions/{made['prediction_id']}").json()
    assert {key: found[key] for key in made if key != "ab_version"} == {
        key: made[key] for key in made if key != "ab_version"
    }

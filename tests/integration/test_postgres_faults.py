"""PostgreSQL restarts or stops while a server runs: waits time out, and the server recovers."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.conftest import SECRETS, GoldenSet
from tests.integration.test_durability import list_prediction_ids
from tests.support.live_client import wait_until
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import UNLIMITED, Client, Server, serve

CLIENTS = 8
BOUND_S = 25.0  # one query may take ten seconds; further queries of a request get less


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    made = PostgresServer()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    more = {"DATABASE_URL": postgres.url, **SECRETS}
    with serve(tmp_path_factory.mktemp("served"), **UNLIMITED, **more) as running:
        yield running


def status(server: Server, path: str) -> int:
    return requests.get(server.url + path, timeout=60).status_code


def is_ready(server: Server) -> bool:
    return status(server, "/readyz") == 200


def test_after_a_database_restart_every_request_succeeds(
    server: Server, postgres: PostgresServer, golden: GoldenSet
) -> None:
    ana = server.register("ana")
    before = [ana.predict("ab", golden.png(at)).json()["prediction_id"] for at in range(10)]
    postgres.restart()
    answers = [ana.predict("ab", golden.png(at)) for at in range(10)]
    assert [answer.status_code for answer in answers] == [200] * 10
    assert list_prediction_ids(ana) == {
        *before,
        *(answer.json()["prediction_id"] for answer in answers),
    }


def test_waiting_for_a_stopped_database_times_out(
    server: Server, postgres: PostgresServer, golden: GoldenSet
) -> None:
    clients = [server.register(f"waiting {number}") for number in range(CLIENTS)]
    made = [client.predict("v2", golden.png(0)).json()["prediction_id"] for client in clients]

    def post(client: Client) -> tuple[int, str | None, float]:
        started_at_s = time.monotonic()
        answer = client.predict("v2", golden.png(1))
        took_s = time.monotonic() - started_at_s
        return answer.status_code, answer.headers.get("Retry-After"), took_s

    postgres.pause()
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            rejected = list(pool.map(post, clients))
            assert status(server, "/livez") == 200
            assert status(server, "/readyz") == 503
    finally:
        postgres.resume()
    assert {(code, again) for code, again, _ in rejected} == {(503, "5")}
    assert max(took_s for *_, took_s in rejected) < BOUND_S
    wait_until(lambda: is_ready(server), "the database")
    assert [post(client)[0] for client in clients] == [200] * CLIENTS
    for client, prediction_id in zip(clients, made, strict=True):
        assert prediction_id in list_prediction_ids(client)

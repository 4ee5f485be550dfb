"""PostgreSQL restarts or stops while a server or a worker runs: waits time out, and it recovers."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import requests

from app.services.background.database_outage import RETRY_DELAY_S
from tests.conftest import SECRETS, GoldenSet, postgres_database
from tests.integration.test_durability import list_prediction_ids
from tests.support.cli import start_flask
from tests.support.live_client import wait_until
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import QUICK, UNLIMITED, Client, Server, serve

CLIENTS = 8
OUTAGES = 2
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


@pytest.fixture
def worker_database(postgres: PostgresServer) -> Iterator[str]:
    """Create a database that no server uses, and return its URL."""
    with postgres_database(postgres.url) as url:
        yield url


@pytest.fixture
def worker_log(worker_database: str, tmp_path: Path) -> Iterator[Path]:
    """Run a worker, as `make worker` does; return its log."""
    log = tmp_path / "worker.log"
    settings = {**QUICK, **SECRETS, "DATABASE_URL": worker_database, "DATA_DIR": str(tmp_path)}
    worker = start_flask({"PATH": os.environ["PATH"], **settings}, log, "worker")
    wait_until(lambda: "waiting for retrain jobs" in log.read_text(), "the worker")
    yield log
    worker.terminate()
    assert worker.wait(30) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def execute(url: str, statement: str) -> object:
    """Run a statement on a connection of its own; return the first value of its first row."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    return row and row[0]


def test_a_worker_survives_database_outages_with_one_line_each_and_then_runs_a_job(
    postgres: PostgresServer, worker_database: str, worker_log: Path
) -> None:
    def wait_for(line: str, times: int) -> None:
        wait_until(lambda: worker_log.read_text().count(line) == times, f"{times} times: {line}")

    def wait_for_status(status: str) -> None:
        query = "SELECT status FROM retrain_job"
        wait_until(lambda: execute(worker_database, query) == status, status)

    for number in range(1, OUTAGES + 1):
        with postgres.shut_down():
            wait_for("trying again every", number)
            time.sleep(RETRY_DELAY_S)
        wait_for("worker: the database answers again", number)
    others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    execute(worker_database, f"SELECT count(pg_terminate_backend(pid)) {others}")
    job = "VALUES ('v1', 'manual', 'queued', now())"
    columns = "(version, deploy, status, created_at)"
    execute(worker_database, f"INSERT INTO retrain_job {columns} {job}")
    wait_for_status("running")
    execute(worker_database, "UPDATE retrain_job SET is_cancelled = true")
    wait_for_status("cancelled")
    assert worker_log.read_text().count("trying again every") == OUTAGES

"""PostgreSQL and Redis restarted, killed, or paused so that they do not respond."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from benchmarks.chaos.load_clients import Responses, sending_requests
from benchmarks.results_table import Row
from tests.conftest import SECRETS
from tests.support.live_client import wait_until
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.server_process import UNLIMITED, Server, serve

CLIENTS = 8
MAX_WAIT_S, MAX_RECOVERY_S = 25.0, 10.0
MAX_WITHOUT_REDIS_S = 1.0
OUTAGE_S = 15.0


def postgres() -> Iterator[Row]:
    """Measure requests while PostgreSQL is restarted, and while it is paused."""
    with TemporaryDirectory() as folder:
        database = PostgresServer()
        try:
            settings = {**UNLIMITED, **SECRETS, "DATABASE_URL": database.url}
            with serve(Path(folder) / "served", **settings) as server:
                yield from _restart(server, database)
                yield from _pause(server, database)
        finally:
            database.stop()


def _restart(server: Server, database: PostgresServer) -> Iterator[Row]:
    responses = Responses()
    with sending_requests([server.register(f"first {each}") for each in range(CLIENTS)], responses):
        time.sleep(2)
        database.restart()
        recovered_s = _until_ready(server)
        time.sleep(2)
    yield _recovery_row("PostgreSQL restarted under load", recovered_s)
    yield _statuses_row("the same", responses)


def _pause(server: Server, database: PostgresServer) -> Iterator[Row]:
    responses = Responses()
    clients = [server.register(f"second {each}") for each in range(CLIENTS)]
    with sending_requests(clients, responses):
        time.sleep(2)
        database.pause()
        try:
            live_s, live = _timed_get(server, "/livez")
            ready_s, ready = _timed_get(server, "/readyz")
            time.sleep(OUTAGE_S)
        finally:
            database.resume()
        recovered_s = _until_ready(server)
        time.sleep(1)
    what = "PostgreSQL stopped under load"
    longest_s = max(responses.seconds)
    yield Row(
        f"{what}: longest wait for a response, s",
        f"<= {MAX_WAIT_S:g}",
        f"{longest_s:.1f}",
        missed=longest_s > MAX_WAIT_S,
    )
    yield Row(
        f"{what}: /livez and /readyz",
        "200 and 503",
        f"{live} after {live_s:.1f} s and {ready} after {ready_s:.1f} s",
        missed=(live, ready) != (200, 503),
    )
    yield _recovery_row(what, recovered_s)
    yield _statuses_row(what, responses)


def redis() -> Iterator[Row]:
    """Measure predictions while Redis is unavailable for rate limits."""
    with TemporaryDirectory() as folder:
        shared = RedisServer(Path(folder))
        try:
            settings = {**UNLIMITED, "RATELIMIT_ENABLED": "true", "REDIS_URL": shared.url}
            many = {f"RATELIMIT_{name}": "1000000 per day" for name in ("DEFAULT", "LOGIN")}
            with serve(Path(folder) / "served", **settings, **many) as server:
                yield from _interrupt(server, "killed", shared.kill, shared.start)
                yield from _interrupt(server, "stopped", shared.pause, shared.resume)
        finally:
            shared.kill()


def _interrupt(
    server: Server, how: str, stop: Callable[[], None], start: Callable[[], None]
) -> Iterator[Row]:
    responses = Responses()
    with sending_requests([server.register(f"{how} {each}") for each in range(CLIENTS)], responses):
        time.sleep(1)
        stop()
        time.sleep(4)
        start()
        time.sleep(3)
    failed, longest_s = sum(code != 200 for code in responses.statuses), max(responses.seconds)
    yield Row(
        f"Redis {how} under load: longest prediction, s",
        f"<= {MAX_WITHOUT_REDIS_S:g}",
        f"{longest_s:.2f}, {failed} of {len(responses.statuses):,} failed",
        missed=longest_s > MAX_WITHOUT_REDIS_S or failed > 0,
    )


def _timed_get(server: Server, path: str) -> tuple[float, int]:
    started_at_s = time.perf_counter()
    answer = requests.get(server.url + path, timeout=120)
    return time.perf_counter() - started_at_s, answer.status_code


def _until_ready(server: Server) -> float:
    started_at_s = time.perf_counter()
    wait_until(lambda: _timed_get(server, "/readyz")[1] == 200, "the database")
    return time.perf_counter() - started_at_s


def _recovery_row(what: str, seconds: float) -> Row:
    return Row(
        f"{what}: ready again after, s",
        f"<= {MAX_RECOVERY_S:g}",
        f"{seconds:.1f}",
        missed=seconds > MAX_RECOVERY_S,
    )


def _statuses_row(what: str, responses: Responses) -> Row:
    refused = sorted({code for code in responses.statuses if code != 200})
    count = sum(code != 200 for code in responses.statuses)
    return Row(
        f"{what}: responses other than 200",
        "only 503",
        f"{count} of {len(responses.statuses):,}: {', '.join(map(str, refused)) or 'none'}",
        missed=bool(set(refused) - {503}),
    )

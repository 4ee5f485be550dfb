"""PostgreSQL and Redis restarted, killed, or stopped so that they answer nobody."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from benchmarks.chaos.load_clients import Told, sending
from benchmarks.results_table import Row
from tests.conftest import SECRETS
from tests.support.live_client import wait_until
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.server_process import UNLIMITED, Server, serve

CLIENTS = 8
MOST_WAIT_S, MOST_RECOVERY_S = 25.0, 10.0
MOST_WITHOUT_REDIS_S = 1.0
OUTAGE_S = 15.0


def postgres() -> Iterator[Row]:
    """What requests meet while it is restarted, and while it is stopped."""
    with TemporaryDirectory() as folder:
        database = PostgresServer()
        try:
            settings = {**UNLIMITED, **SECRETS, "DATABASE_URL": database.url}
            with serve(Path(folder) / "served", **settings) as server:
                yield from _restarted(server, database)
                yield from _stopped(server, database)
        finally:
            database.end()


def _restarted(server: Server, database: PostgresServer) -> Iterator[Row]:
    told = Told()
    with sending([server.register(f"first {each}") for each in range(CLIENTS)], told):
        time.sleep(2)
        database.restart()
        recovered_s = _until_ready(server)
        time.sleep(2)
    yield _recovery("PostgreSQL restarted under load", recovered_s)
    yield _refusals("the same", told)


def _stopped(server: Server, database: PostgresServer) -> Iterator[Row]:
    told = Told()
    clients = [server.register(f"second {each}") for each in range(CLIENTS)]
    with sending(clients, told):
        time.sleep(2)
        database.pause()
        try:
            live_s, live = _asked(server, "/livez")
            ready_s, ready = _asked(server, "/readyz")
            time.sleep(OUTAGE_S)
        finally:
            database.go_on()
        recovered_s = _until_ready(server)
        time.sleep(1)
    what = "PostgreSQL stopped under load"
    longest_s = max(told.seconds)
    yield Row(
        f"{what}: longest wait for an answer, s",
        f"<= {MOST_WAIT_S:g}",
        f"{longest_s:.1f}",
        short=longest_s > MOST_WAIT_S,
    )
    yield Row(
        f"{what}: /livez and /readyz",
        "200 and 503",
        f"{live} after {live_s:.1f} s and {ready} after {ready_s:.1f} s",
        short=(live, ready) != (200, 503),
    )
    yield _recovery(what, recovered_s)
    yield _refusals(what, told)


def redis() -> Iterator[Row]:
    """What predictions wait while limits cannot be counted together."""
    with TemporaryDirectory() as folder:
        shared = RedisServer(Path(folder))
        try:
            settings = {**UNLIMITED, "RATELIMIT_ENABLED": "true", "REDIS_URL": shared.url}
            many = {f"RATELIMIT_{name}": "1000000 per day" for name in ("DEFAULT", "LOGIN")}
            with serve(Path(folder) / "served", **settings, **many) as server:
                yield from _without(server, "killed", shared.kill, shared.start)
                yield from _without(server, "stopped", shared.pause, shared.go_on)
        finally:
            shared.kill()


def _without(
    server: Server, how: str, stop: Callable[[], None], start: Callable[[], None]
) -> Iterator[Row]:
    told = Told()
    with sending([server.register(f"{how} {each}") for each in range(CLIENTS)], told):
        time.sleep(1)
        stop()
        time.sleep(4)
        start()
        time.sleep(3)
    failed, longest_s = sum(code != 200 for code in told.statuses), max(told.seconds)
    yield Row(
        f"Redis {how} under load: longest prediction, s",
        f"<= {MOST_WITHOUT_REDIS_S:g}",
        f"{longest_s:.2f}, {failed} of {len(told.statuses):,} failed",
        short=longest_s > MOST_WITHOUT_REDIS_S or failed > 0,
    )


def _asked(server: Server, path: str) -> tuple[float, int]:
    started_at_s = time.perf_counter()
    answer = requests.get(server.url + path, timeout=120)
    return time.perf_counter() - started_at_s, answer.status_code


def _until_ready(server: Server) -> float:
    started_at_s = time.perf_counter()
    wait_until(lambda: _asked(server, "/readyz")[1] == 200, "the database")
    return time.perf_counter() - started_at_s


def _recovery(what: str, seconds: float) -> Row:
    return Row(
        f"{what}: ready again after, s",
        f"<= {MOST_RECOVERY_S:g}",
        f"{seconds:.1f}",
        short=seconds > MOST_RECOVERY_S,
    )


def _refusals(what: str, told: Told) -> Row:
    refused = sorted({code for code in told.statuses if code != 200})
    count = sum(code != 200 for code in told.statuses)
    return Row(
        f"{what}: answers that were no 200",
        "503 alone",
        f"{count} of {len(told.statuses):,}: {', '.join(map(str, refused)) or 'none'}",
        short=bool(set(refused) - {503}),
    )

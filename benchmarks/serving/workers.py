"""`make bench-workers`: cost per request with one worker and with two, on PostgreSQL and Redis.

CPU time is that of Cifra's own processes: PostgreSQL, Redis and the load are counted separately.
Each worker has sixteen connections.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from sqlalchemy import create_engine, text
from tqdm import tqdm

from benchmarks.results_table import Row, print_table
from benchmarks.serving.__main__ import CONNECTIONS, WARM_S, write_images
from benchmarks.serving.server_setups import SETTINGS, RunningServer, admin_token
from benchmarks.serving.wrk import ImageFolder, ensure_wrk, measure
from tests.conftest import SECRETS, postgres_database
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.server_process import HTTP_TIER, serve

WORKERS = (1, 2)
MAX_RATIO, MAX_WAITING, MIN_SHARE = 1.15, 0.01, 0.4
ROUTE = "/api/ab/predict"
ROUNDS, LOAD_S = 10, 2
SAMPLE_INTERVAL_S = 0.02
WAITING_SQL = """SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*)
FROM pg_stat_activity WHERE datname = :name AND state <> 'idle'"""


def main() -> None:
    """Print the table; exit with 1 if a limit is exceeded."""
    ensure_wrk()
    print_table([rows()], 1, "workers")


def rows() -> Iterator[Row]:
    """Measure one worker and two, each on its own database, in turn under the same load."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        postgres, redis = PostgresServer(), RedisServer(folder)
        stack.callback(postgres.stop)
        stack.callback(redis.kill)
        images = write_images(folder / "images")
        tiers = [
            stack.enter_context(_serve(folder / f"tier{count}", postgres, redis, count))
            for count in WORKERS
        ]
        samples = stack.enter_context(_sampled_locks(postgres, WORKERS[-1]))
        costs = _alternate(tiers, images, postgres, redis)
    one, two = map(_microseconds, costs.cifra)
    yield Row(
        f"processor microseconds per request, {ROUTE}, two workers",
        f"<= {MAX_RATIO} times one's",
        f"{two / one:.2f} times ({two:.0f} and {one:.0f})",
        missed=two > MAX_RATIO * one,
    )
    yield Row(
        "the same: the less busy worker's share of the work",
        f">= {MIN_SHARE:.0%}",
        f"{np.median(costs.shares):.0%}, {min(costs.shares):.0%} at the least",
        missed=float(np.median(costs.shares)) < MIN_SHARE,
    )
    for name, spent in (("PostgreSQL", costs.postgres), ("Redis", costs.redis)):
        yield Row(
            f"the same: processor microseconds per request in {name}",
            "reported",
            f"{_microseconds(spent):.0f}",
            missed=False,
        )
    waiting = samples.waiting / max(samples.total, 1)
    yield Row(
        "the same: transactions seen waiting for a lock in PostgreSQL",
        f"<= {MAX_WAITING:.0%}",
        f"{waiting:.1%} of {samples.total:,}",
        missed=waiting > MAX_WAITING,
    )


def _microseconds(seconds: Sequence[float]) -> float:
    return 1e6 * float(np.median(seconds))


@contextmanager
def _serve(
    folder: Path, postgres: PostgresServer, redis: RedisServer, count: int
) -> Iterator[RunningServer]:
    settings = {**SETTINGS, **SECRETS, "REDIS_URL": redis.url, "WEB_WORKERS": str(count)}
    with (
        postgres_database(postgres.url, name=_name(count)) as url,
        serve(folder, HTTP_TIER, **settings, DATABASE_URL=url) as server,
    ):
        yield RunningServer(server.url, admin_token(server), server.process.pid)


def _name(count: int) -> str:
    return f"cifra_workers_{count}"


@dataclass
class _Costs:
    """CPU seconds per request, by round; `shares` are those of the less busy of two workers."""

    cifra: list[list[float]] = field(default_factory=lambda: [[] for _ in WORKERS])
    postgres: list[float] = field(default_factory=list)
    redis: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)


def _alternate(
    tiers: Sequence[RunningServer],
    images: ImageFolder,
    postgres: PostgresServer,
    redis: RedisServer,
) -> _Costs:
    costs = _Costs()
    dependencies = [*postgres.processes, psutil.Process(redis.pid)]
    for turn in tqdm(range(ROUNDS + 1), "rounds", leave=False):
        for tier, count, found in zip(tiers, WORKERS, costs.cifra, strict=True):
            if turn == 1:
                dependencies = [*postgres.processes, psutil.Process(redis.pid)]
            before, workers_before, dependencies_before = (
                tier.cpu_s(),
                _worker_cpu_seconds(tier),
                _cpu_seconds(dependencies),
            )
            seconds = LOAD_S if turn else WARM_S
            measured = measure(tier.target(ROUTE), images, count * CONNECTIONS, seconds)
            if measured.failed:
                raise SystemExit(f"{measured.failed} requests failed")
            if turn == 0:
                continue
            found.append((tier.cpu_s() - before) / measured.requests)
            if tier is tiers[-1]:
                *database, limits = _differences(dependencies_before, _cpu_seconds(dependencies))
                costs.postgres.append(sum(database) / measured.requests)
                costs.redis.append(limits / measured.requests)
                each = _differences(workers_before, _worker_cpu_seconds(tier))
                costs.shares.append(min(each) / sum(each))
    return costs


def _differences(before: Sequence[float], now: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in zip(before, now, strict=True)]


def _cpu_seconds(processes: Sequence[psutil.Process]) -> list[float]:
    return [sum(each.cpu_times()[:2]) for each in processes]


def _worker_cpu_seconds(tier: RunningServer) -> list[float]:
    """Return the CPU seconds of each process that answers requests."""
    children = psutil.Process(tier.pid).children(recursive=True)
    return _cpu_seconds(
        [each for each in children if "resource_tracker" not in _command_line(each)]
    )


def _command_line(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


class _LockSamples:
    """The number of active transactions seen, and of those waiting for a lock."""

    def __init__(self) -> None:
        self.waiting = self.total = 0


@contextmanager
def _sampled_locks(postgres: PostgresServer, count: int) -> Iterator[_LockSamples]:
    """Sample the activity of a server's connections fifty times a second."""
    samples, is_over = _LockSamples(), threading.Event()
    engine = create_engine(postgres.url.replace("://", "+psycopg://"))

    def sample() -> None:
        with engine.connect() as connection:
            while not is_over.wait(SAMPLE_INTERVAL_S):
                found = connection.execute(text(WAITING_SQL), {"name": _name(count)}).one()
                samples.waiting, samples.total = (
                    samples.waiting + found[0],
                    samples.total + found[1],
                )
                connection.rollback()

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        is_over.set()
        thread.join()
        engine.dispose()


if __name__ == "__main__":
    main()

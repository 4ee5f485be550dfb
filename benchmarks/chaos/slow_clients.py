"""Hostile clients without a token, on both servers: what they cost, and whom they delay.

Predictions and health checks run beside each family. What these cost by themselves is measured
first, and is not counted.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from benchmarks.chaos.load_clients import image_files
from benchmarks.chaos.measuring import IdleServer, longest, timed
from benchmarks.results_table import Line
from tests.support.hostile_clients import MANY, ON_GRANIAN, ON_GUNICORN
from tests.support.meanwhile import Meanwhile
from tests.support.process_usage import MemoryPeak, cpu_seconds
from tests.support.server_process import EMBEDDED, HTTP_TIER, UNLIMITED, Server, serve

HEADER = (
    "server",
    "clients",
    "memory, MB",
    "given back after, s",
    "more processor time, s",
    "plain prediction, s",
    "/livez, s",
)
SERVERS = {"gunicorn": (EMBEDDED, ON_GUNICORN), "granian": (HTTP_TIER, ON_GRANIAN)}
MAX_MB, MAX_GIVEN_BACK_S = 150, 60
MAX_PREDICTION_S, MAX_LIVEZ_S = 3.0, 1.0
MAX_CPU_S = {1: 2.0, 16: 5.0, MANY: 5.0}  # of all clients together, by how many they are
INTERVAL_S = 0.25  # between predictions, and between health checks
BASELINE_S = 20


def measure() -> Iterator[Line]:
    """Yield a line for each family and number of clients, with the default deadlines."""
    for name, (command, families) in SERVERS.items():
        with TemporaryDirectory() as folder, serve(Path(folder), command, **UNLIMITED) as server:
            beside = _Beside(server)
            for family, count in product(families, MAX_CPU_S):
                title = f"{count} that {family.__name__.replace('_', ' ')}"
                attack = partial(family, server, beside.client, count)
                yield _measure((name, title), beside, attack, MAX_CPU_S[count])


class _Beside:
    """What runs beside an attack: predictions and health checks, with their times in seconds."""

    def __init__(self, server: Server) -> None:
        self.client = server.register("client")
        self._predict = timed(partial(self.client.predict, "v2", image_files()[0]))
        self._check = timed(partial(requests.get, f"{server.url}/livez", timeout=60))
        self._predict()
        self.idle = IdleServer(server.process.pid)
        _, _, cpu_s = self.run(partial(time.sleep, BASELINE_S))
        self._own_cpu_share = cpu_s / BASELINE_S

    def run(self, attack: Callable[[], None]) -> tuple[float, float, float]:
        """Return the longest prediction, the longest check, and the server's processor time."""
        before_s = cpu_seconds(self.idle.pid)
        with (
            Meanwhile(self._predict, INTERVAL_S) as predictions,
            Meanwhile(self._check, INTERVAL_S) as checks,
        ):
            attack()
        cpu_s = cpu_seconds(self.idle.pid) - before_s
        return longest(predictions), longest(checks), cpu_s

    def own_cpu_s(self, duration_s: float) -> float:
        """Return the processor time of predictions and checks alone for such a duration."""
        return self._own_cpu_share * duration_s


def _measure(
    names: tuple[str, str], beside: _Beside, attack: Callable[[], None], max_cpu_s: float
) -> Line:
    started_at_s = time.monotonic()
    with MemoryPeak(beside.idle.pid) as memory:
        prediction_s, livez_s, cpu_s = beside.run(attack)
    cpu_s = max(0, cpu_s - beside.own_cpu_s(time.monotonic() - started_at_s))
    peak_mb = beside.idle.megabytes_above(memory.peak_bytes)
    given_back_s = beside.idle.seconds_until_given_back(MAX_GIVEN_BACK_S)
    figures = (
        f"{peak_mb:.0f}",
        f"{given_back_s:.1f}",
        f"{cpu_s:.1f}",
        f"{prediction_s:.2f}",
        f"{livez_s:.2f}",
    )
    is_slow = prediction_s > MAX_PREDICTION_S or livez_s > MAX_LIVEZ_S
    is_costly = peak_mb > MAX_MB or given_back_s > MAX_GIVEN_BACK_S or cpu_s > max_cpu_s
    return Line((*names, *figures), missed=is_slow or is_costly)

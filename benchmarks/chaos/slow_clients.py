"""Hostile clients without a token, on both servers: what they cost, and whom they delay."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from benchmarks.chaos.load_clients import image_files
from benchmarks.chaos.measuring import longest, timed
from benchmarks.results_table import Row
from tests.support.hostile_clients import CLIENTS, ON_GRANIAN, ON_GUNICORN, Family
from tests.support.meanwhile import Meanwhile
from tests.support.process_usage import MEBIBYTE, MemoryPeak, cpu_seconds, memory_bytes
from tests.support.server_process import EMBEDDED, HTTP_TIER, UNLIMITED, Client, Server, serve

MAX_GROWTH_MB, MAX_CPU_S = 150, 5.0
MAX_PREDICTION_S, MAX_LIVEZ_S = 3.0, 1.0


def all_families() -> Iterator[Row]:
    """Run each family beside predictions and health checks, with the default deadlines."""
    servers: list[tuple[str, Sequence[str], list[Family]]] = [
        ("gunicorn", EMBEDDED, ON_GUNICORN),
        ("granian", HTTP_TIER, ON_GRANIAN),
    ]
    for name, command, families in servers:
        with TemporaryDirectory() as folder, serve(Path(folder), command, **UNLIMITED) as server:
            client = server.register("client")
            for family in families:
                yield from _measure(server, client, f"{name}, {_title(family)}", family)


def _title(family: Family) -> str:
    return f"{CLIENTS} clients that {family.__name__.replace('_', ' ')}"


def _measure(server: Server, client: Client, what: str, family: Family) -> Iterator[Row]:
    png = image_files()[0]
    predict = timed(lambda: client.predict("v2", png))
    check = timed(lambda: requests.get(f"{server.url}/livez", timeout=60))
    predict()
    idle, before_s = memory_bytes(server.process.pid), cpu_seconds(server.process.pid)
    with (
        MemoryPeak(server.process.pid) as memory,
        Meanwhile(predict) as predictions,
        Meanwhile(check) as checks,
    ):
        family(server, client)
    grown_mb = (memory.peak_bytes - idle) / MEBIBYTE
    cpu_s = cpu_seconds(server.process.pid) - before_s
    yield Row(
        f"{what}: memory growth and processor time",
        f"<= {MAX_GROWTH_MB} MB, <= {MAX_CPU_S:g} s",
        f"{grown_mb:.0f} MB, {cpu_s:.1f} s",
        missed=grown_mb > MAX_GROWTH_MB or cpu_s > MAX_CPU_S,
    )
    slowest_s, livez_s = longest(predictions), longest(checks)
    yield Row(
        "the same: plain prediction within 3 s meanwhile, /livez within 1 s",
        f"<= {MAX_PREDICTION_S:g} s, <= {MAX_LIVEZ_S:g} s",
        f"{slowest_s:.2f} s, {livez_s:.2f} s",
        missed=slowest_s > MAX_PREDICTION_S or livez_s > MAX_LIVEZ_S,
    )

"""What dashboards cost predictions: the same load without and with fifty of them, alternating.

python -m benchmarks.live
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from benchmarks.dashboard_clients import connected_dashboards
from benchmarks.results_table import Row, print_table
from benchmarks.training_interference import Load
from tests.support.server_process import UNLIMITED, serve

ROUNDS, REQUESTS, DASHBOARDS = 7, 1_000, 50
MAX_SLOWDOWN = 0.10


def rows() -> Iterator[Row]:
    """Measure requests per second without and with dashboards, and the events that they receive."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        server = stack.enter_context(serve(Path(folder), **UNLIMITED))
        load, alone, with_dashboards, received = Load(server), [], [], 0
        load.flood(REQUESTS)  # warm
        for _ in tqdm(range(ROUNDS), "rounds", leave=False):
            alone.append(load.flood(REQUESTS))
            with connected_dashboards(
                server.url, load.admin.tokens["access_token"], DASHBOARDS
            ) as dashboards:
                with_dashboards.append(load.flood(REQUESTS))
            received += dashboards.received
        slowdown = 1 - float(np.median(np.array(with_dashboards) / np.array(alone)))
    yield Row(
        f"{DASHBOARDS} dashboards during {REQUESTS:,} predictions, median of {ROUNDS} rounds",
        f"<= {MAX_SLOWDOWN:.0%} slower",
        f"{slowdown:.1%} slower"
        f" ({np.median(with_dashboards):.0f} and {np.median(alone):.0f} per second)",
        missed=slowdown > MAX_SLOWDOWN,
    )
    yield Row(
        "events that each dashboard received per round",
        ">= 4",
        f"{received / ROUNDS / DASHBOARDS:.0f}",
        missed=received < 4 * ROUNDS * DASHBOARDS,
    )


if __name__ == "__main__":
    print_table([rows()], 1, "live")

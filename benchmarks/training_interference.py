"""The effect of training on the latency of concurrent requests."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from app.imaging.decoding import encode_png
from app.training.datasets import load_base_sets
from benchmarks.results_table import Row
from tests.conftest import make_config, opened_app
from tests.support.review_data import create_submitters, label_images
from tests.support.server_process import UNLIMITED, Client, Server, serve

ALTERNATIONS, REQUESTS = 5, 500  # so many of each, idle and training
CAPACITY_SHARE, MAX_RATIO = 0.3, 2.0
CAPACITY_S, CLIENTS = 6.0, 8
LABELS, IMAGES = 200, 500


def rows() -> Iterator[Row]:
    """Send a steady share of the server's capacity, without and with training, alternating."""
    with TemporaryDirectory() as folder, serve(Path(folder), **UNLIMITED) as server:
        _add_labels(server)
        load = Load(server)
        rate = CAPACITY_SHARE * load.capacity()
        idle, training = [], []
        for _ in tqdm(range(ALTERNATIONS), "alternations", leave=False):
            idle.append(load.steady(rate))
            location = _start_training(load.admin)
            training.append(load.steady(rate))
            _cancel_training(load.admin, location)
        medians = [1_000 * float(np.median([_p99(each) for each in of])) for of in (idle, training)]
    yield Row(
        f"p99 during training, at {rate:.0f} requests a second ({CAPACITY_SHARE:.0%} of capacity)",
        f"<= {MAX_RATIO:.0f} times the idle one",
        f"{medians[1]:.1f} ms, {medians[1] / medians[0]:.2f} times {medians[0]:.1f} ms",
        missed=medians[1] > MAX_RATIO * medians[0],
    )
    failed = load.failed
    yield Row(
        f"the same: 5xx in {2 * ALTERNATIONS * REQUESTS:,} requests", "0", f"{failed}", failed > 0
    )


class Load:
    """Clients that post golden digits to the A/B route; counts responses other than 200."""

    def __init__(self, server: Server) -> None:
        golden = load_base_sets().golden.digits[:IMAGES]
        self.admin, self.failed = server.admin_client(), 0
        self._files = [encode_png(digit) for digit in golden]
        self._clients = [server.register(f"client{number}") for number in range(CLIENTS)]

    def capacity(self) -> float:
        """Return requests per second when every client sends the next one immediately."""
        ends_at_s = time.perf_counter() + CAPACITY_S

        def send(client: Client) -> int:
            for sent in count():
                if time.perf_counter() > ends_at_s:
                    return sent
                self._post(client, sent)
            raise AssertionError

        with ThreadPoolExecutor(CLIENTS) as pool:
            return sum(pool.map(send, self._clients)) / CAPACITY_S

    def flood(self, requests: int) -> float:
        """Return requests per second while `requests` are sent as fast as possible."""
        started_at_s = time.perf_counter()

        def send(number: int) -> None:
            for at in range(number, requests, CLIENTS):
                self._post(self._clients[number], at)

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(send, range(CLIENTS)))
        return requests / (time.perf_counter() - started_at_s)

    def steady(self, rate: float) -> list[float]:
        """Return the seconds from each request's due time to its response, at `rate` per second."""
        started_at_s = time.perf_counter() + 0.1

        def send(number: int) -> list[float]:
            waits_s = []
            for at in range(number, REQUESTS, CLIENTS):
                due_s = started_at_s + at / rate
                time.sleep(max(0.0, due_s - time.perf_counter()))
                self._post(self._clients[number], at)
                waits_s.append(time.perf_counter() - due_s)
            return waits_s

        with ThreadPoolExecutor(CLIENTS) as pool:
            return [seconds for waits_s in pool.map(send, range(CLIENTS)) for seconds in waits_s]

    def _post(self, client: Client, number: int) -> None:
        answer = client.predict("ab", self._files[number % len(self._files)])
        self.failed += answer.status_code != 200


def _p99(seconds: Sequence[float]) -> float:
    return float(np.quantile(seconds, 0.99))


def _start_training(admin: Client) -> str:
    """Request a retrain; return its location once it trains."""
    answer = admin.call("POST", "/admin/retrain", json={"deploy": "manual"})
    answer.raise_for_status()
    location: str = answer.headers["Location"]
    _wait_for(admin, location, stage="training")
    return location


def _cancel_training(admin: Client, location: str) -> None:
    """Cancel the retrain; fail if it had ended before, and so did not run during all requests."""
    admin.call("POST", f"{location}/cancel").raise_for_status()
    _wait_for(admin, location, status="cancelled")


def _wait_for(admin: Client, location: str, **wanted: str) -> None:
    while not wanted.items() <= (job := admin.call("GET", location).json()).items():
        if job["status"] in {"failed", "rejected", "ready"}:
            raise RuntimeError(f"the retrain {job['status']}: {job['error']}")
        time.sleep(0.1)


def _add_labels(server: Server) -> None:
    training = load_base_sets().training
    images, digits = training.digits[:LABELS], training.labels[:LABELS]
    with opened_app(make_config(server.data_dir)) as app:
        label_images(app, list(images), digits.tolist(), create_submitters(app, 2))

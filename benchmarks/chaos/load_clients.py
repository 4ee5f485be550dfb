"""Clients that post golden digits from threads of their own, and remember what they were told."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event

import requests

from app.imaging.decoding import encode_png
from app.training.datasets import load_base_sets
from tests.support.server_process import Client

IMAGES = 200


def image_files() -> list[bytes]:
    """The first golden digits as PNG files."""
    return [encode_png(digit) for digit in load_base_sets().golden.digits[:IMAGES]]


@dataclass
class Responses:
    """What was answered: ids of predictions, ids with a word on them, statuses, seconds."""

    predictions: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@contextmanager
def sending_requests(
    clients: Sequence[Client], told: Responses, *, words: bool = False
) -> Iterator[None]:
    """Post from all clients until the block ends, or until the server is gone."""
    files, over = image_files(), Event()

    def run(client: Client) -> None:
        with suppress(requests.RequestException):
            for at in range(100_000):
                if over.is_set():
                    return
                _send(client, files[at % IMAGES], told, words=words)

    with ThreadPoolExecutor(len(clients)) as pool:
        done = [pool.submit(run, client) for client in clients]
        try:
            yield
        finally:
            over.set()
    for each in done:
        each.result()


def _send(client: Client, png: bytes, told: Responses, *, words: bool) -> None:
    started_at_s = time.perf_counter()
    answer = client.predict("ab", png)
    told.seconds.append(time.perf_counter() - started_at_s)
    told.statuses.append(answer.status_code)
    if answer.status_code != 200:
        return
    made = answer.json()["prediction_id"]
    told.predictions.append(made)
    if words:
        word = {"prediction_id": made, "correct": True}
        if client.call("POST", "/feedback", json=word).status_code == 201:
            told.words.append(made)

"""Clients that post golden digits from their own threads and record the responses."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from threading import Event

import requests

from app.imaging.decoding import encode_png
from app.training.datasets import load_base_sets
from tests.support.server_process import Client

IMAGES = 200
RECONNECT_DELAY_S = 0.05


@cache
def image_files() -> list[bytes]:
    """Return the first golden digits as PNG files."""
    return [encode_png(digit) for digit in load_base_sets().golden.digits[:IMAGES]]


@dataclass
class Responses:
    """The responses: ids of predictions, ids with feedback, status codes, seconds; and errors."""

    predictions: list[str] = field(default_factory=list)
    feedback_ids: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    errors: list[requests.RequestException] = field(default_factory=list)


@contextmanager
def sending_requests(
    clients: Sequence[Client],
    responses: Responses,
    *,
    give_feedback: bool = False,
    reconnect: bool = False,
    files: Sequence[bytes] = (),
) -> Iterator[None]:
    """Send requests from all clients until the block ends, or until the server is gone.

    With `reconnect` clients go on after a connection that failed. `files` are sent instead of the
    golden digits.
    """
    files, is_over = files or image_files(), Event()

    def run(client: Client) -> None:
        for at in range(100_000):
            if is_over.is_set():
                return
            try:
                _send(client, files[at % len(files)], responses, give_feedback=give_feedback)
            except requests.RequestException as error:
                responses.errors.append(error)
                if not reconnect:
                    return
                is_over.wait(RECONNECT_DELAY_S)

    with ThreadPoolExecutor(len(clients)) as pool:
        done = [pool.submit(run, client) for client in clients]
        try:
            yield
        finally:
            is_over.set()
    for each in done:
        each.result()


def _send(client: Client, png: bytes, responses: Responses, *, give_feedback: bool) -> None:
    started_at_s = time.perf_counter()
    answer = client.predict("ab", png)
    responses.seconds.append(time.perf_counter() - started_at_s)
    responses.statuses.append(answer.status_code)
    if answer.status_code != 200:
        return
    prediction_id = answer.json()["prediction_id"]
    responses.predictions.append(prediction_id)
    if give_feedback:
        feedback = {"prediction_id": prediction_id, "correct": True}
        if client.call("POST", "/feedback", json=feedback).status_code == 201:
            responses.feedback_ids.append(prediction_id)

"""Where the time of a prediction goes: CPU microseconds of each step, in one process.

python -m benchmarks.serving.profile

Each step is timed repeatedly by itself, so its code and data are in the CPU caches. In a whole
request they mostly are not, which is why the steps add up to less than the whole, and why each of
sixteen requests whose steps are done together costs so much less.
"""

import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask
from uuid_utils.compat import uuid7

from app.api.http.json_provider import OrjsonProvider
from app.api.http.multipart import parse_single_file
from app.api.http.rate_limits import hit_many
from app.api.schemas import serializers
from app.domain.assignment import Version
from app.imaging.decoding import encode_png
from app.imaging.preprocessing import preprocess
from app.services.predictions import batch_writer
from app.services.predictions.batch_writer import PredictionRecord
from app.services.predictions.predictor import PredictionRequest
from app.training.datasets import load_base_sets
from benchmarks.serving.server_setups import UNREACHABLE_LIMIT
from logging_config import configure_logging
from tests.conftest import ADMIN_PASSWORD, bootstrapped_app, container_of, make_config

IMAGES, BATCH, CALLS = 500, 16, 2_000
CONTENT_TYPE = "multipart/form-data; boundary=b0undary"
PART_HEADER = 'Content-Disposition: form-data; name="file"; filename="digit.png"'
LIMITS = {f"RATELIMIT_{name}": f"{UNREACHABLE_LIMIT} per day" for name in ("DEFAULT", "V1", "V2")}


class Requests:
    """Plain predict requests to an application in this process, as a WSGI server passes them."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        credentials = {"username": "admin", "password": ADMIN_PASSWORD}
        answer = app.test_client().post("/login", json=credentials)
        self.token = answer.get_json()["access_token"]
        self.pngs = [encode_png(each) for each in load_base_sets().golden.digits[:IMAGES]]
        delimiter = "--b0undary"
        self.bodies = [
            f"{delimiter}\r\n{PART_HEADER}\r\n\r\n".encode()
            + png
            + f"\r\n{delimiter}--\r\n".encode()
            for png in self.pngs
        ]

    def send(self, number: int, **more: str) -> None:
        """Send one request."""
        body = self.bodies[number % IMAGES]
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/api/v2/predict",
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_AUTHORIZATION": f"Bearer {self.token}",
            "CONTENT_TYPE": CONTENT_TYPE,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            **more,
        }
        statuses: list[str] = []
        answer = self.app.wsgi_app(environ, lambda status, *_: statuses.append(status))
        b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        assert statuses == ["200 OK"]


def main() -> None:
    """Print the table."""
    print("| step | microseconds |\n| --- | --- |")
    with (
        TemporaryDirectory() as folder,
        Path("/dev/null").open("w", encoding="utf-8") as nowhere,
        redirect_stderr(nowhere),  # the log, whose lines are made and written
    ):
        configure_logging("text", "info")
        config = make_config(Path(folder), **LIMITS)
        with bootstrapped_app(config) as app, app.app_context():
            time_steps(Requests(app))


def time_steps(sent: Requests) -> None:
    """Time each step, and the whole."""
    container, pngs = container_of(sent.app), sent.pngs
    found = [preprocess(png).digit for png in pngs]
    reader, inference = container.predictor, container.inference
    made = reader.predict_plain([PredictionRequest(1, png, Version.V2, 0.0) for png in pngs])
    assert not any(isinstance(each, Exception) for each in made)
    predictions: list[Any] = list(made)
    json = OrjsonProvider(sent.app)

    def record(count: int) -> Callable[[int], object]:
        def run(number: int) -> object:
            at = [(number + offset) % IMAGES for offset in range(count)]
            entries = [
                PredictionRecord(replace(predictions[each], id=uuid7()), found[each]) for each in at
            ]
            return batch_writer.write_batch(container.batch_writer, entries)

        return run

    sent.send(0)
    sent.send(0)
    responses = [serializers.prediction(each) for each in predictions]
    print_time("token", lambda _: container.token_cache.get(sent.token))
    print_time("limit", lambda _: hit_many([(1, "v2.predict", f"{UNREACHABLE_LIMIT} per day")]))
    print_time("body", lambda n: parse_single_file(CONTENT_TYPE, sent.bodies[n % IMAGES]))
    print_time("imaging", lambda n: preprocess(pngs[n % IMAGES]))
    print_time("v1's net", lambda n: inference.predict(Version.V1, found[n % IMAGES]))
    print_time("v2's net", lambda n: inference.predict(Version.V2, found[n % IMAGES]))
    print_time("row and counters, committed alone", record(1))
    print_time(f"the same, one of {BATCH} in a group", record(BATCH), BATCH)
    print_time("JSON", lambda n: json.encode(responses[n % IMAGES]))
    print_time("the whole, alone", sent.send)
    with ThreadPoolExecutor(BATCH) as pool:
        print_time(
            f"the whole, {BATCH} threads",
            lambda n: list(pool.map(sent.send, range(n, n + BATCH))),
            BATCH,
        )
    print_time("the whole through Flask", lambda n: sent.send(n, HTTP_ORIGIN="http://localhost"))


def print_time(step: str, run: Callable[[int], object], count: int = 1) -> None:
    """Time a step, the best of three; each call processes `count` requests."""
    calls, best_s = CALLS // count, float("inf")
    for number in range(calls // 5):
        run(number)
    for _ in range(3):
        started_at_s = time.process_time()
        for number in range(calls):
            run(number)
        best_s = min(best_s, time.process_time() - started_at_s)
    print(f"| {step} | {1e6 * best_s / calls / count:,.0f} |", flush=True)


if __name__ == "__main__":
    main()

"""What the most expensive images of each format cost the server, one at a time and sixteen at once.

The files are those of tests/support/hostile_images.py. Memory is that of all processes above what
they have when idle; a page that they share counts once.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.chaos.load_clients import image_files
from benchmarks.chaos.measuring import IdleServer, longest, timed
from benchmarks.results_table import Line
from tests.support.hostile_images import FORMATS_AND_HEIC, hostile_images
from tests.support.meanwhile import Meanwhile
from tests.support.process_usage import MemoryPeak, cpu_seconds
from tests.support.server_process import EMBEDDED, HTTP_TIER, UNLIMITED, Client, serve

ONE_HEADER = ("server", "image", "status", "memory, MB", "processor time, s", "plain prediction, s")
MANY_HEADER = (
    "server",
    "16 at once",
    "statuses",
    "memory, MB",
    "given back after, s",
    ONE_HEADER[-1],
)
SERVERS = {"gunicorn": EMBEDDED, "granian": HTTP_TIER}
ANSWERS = {200, 413, 415, 422}
AT_ONCE = 16
LARGE = "png of 4 megapixels, gray of 16 bits"
MAX_ONE_MB, MAX_MANY_MB = 150, 300
MAX_CPU_S, MAX_PLAIN_S, MAX_GIVEN_BACK_S = 2.0, 3.0, 60.0
PLAIN_INTERVAL_S = 0.25  # few, because their processor time counts too


def measure_one() -> Iterator[Line]:
    """Yield a line for each image: what it costs, and how long others wait meanwhile."""
    for name, command in SERVERS.items():
        with _warm_server(command) as target:
            for image_format in FORMATS_AND_HEIC:
                for image, file in hostile_images(image_format).items():
                    yield _one(target, (name, image), file)


def measure_many() -> Iterator[Line]:
    """Yield a line for each sixteen images of a format that are sent at once."""
    for name, command in SERVERS.items():
        with _warm_server(command) as target:
            for image_format in FORMATS_AND_HEIC:
                files = list(hostile_images(image_format).values())
                for at in range(0, len(files), AT_ONCE):
                    batch = list(islice(cycle(files[at : at + AT_ONCE]), AT_ONCE))
                    yield _many(target, (name, image_format), batch)


@dataclass(frozen=True)
class _Target:
    """An idle server, and clients that send it hostile and plain images."""

    idle: IdleServer
    hostile: Sequence[Client]
    plain: Client

    def predicting(self) -> Meanwhile:
        """Predict a digit now and then, and take the time."""
        png = image_files()[0]
        return Meanwhile(timed(lambda: self.plain.predict("v2", png)), PLAIN_INTERVAL_S)


def _one(target: _Target, names: tuple[str, str], file: bytes) -> Line:
    before_s = cpu_seconds(target.idle.pid)
    with MemoryPeak(target.idle.pid) as memory, target.predicting() as predictions:
        status = _post(target.hostile[0], file)
    cpu_s = cpu_seconds(target.idle.pid) - before_s
    peak_mb = target.idle.megabytes_above(memory.peak_bytes)
    plain_s = longest(predictions)
    figures = (f"{status}", f"{peak_mb:.0f}", f"{cpu_s:.2f}", f"{plain_s:.2f}")
    missed = peak_mb > MAX_ONE_MB or cpu_s > MAX_CPU_S or plain_s > MAX_PLAIN_S
    return Line((*names, *figures), missed=missed or status not in ANSWERS)


def _many(target: _Target, names: tuple[str, str], files: Sequence[bytes]) -> Line:
    with MemoryPeak(target.idle.pid) as memory, target.predicting() as predictions:
        statuses = set(_post_at_once(target.hostile, files))
    given_back_s = target.idle.seconds_until_given_back(MAX_GIVEN_BACK_S)
    peak_mb, plain_s = target.idle.megabytes_above(memory.peak_bytes), longest(predictions)
    figures = (
        ", ".join(map(str, sorted(statuses))),
        f"{peak_mb:.0f}",
        f"{given_back_s:.1f}",
        f"{plain_s:.2f}",
    )
    missed = peak_mb > MAX_MANY_MB or given_back_s > MAX_GIVEN_BACK_S or plain_s > MAX_PLAIN_S
    return Line((*names, *figures), missed=missed or bool(statuses - ANSWERS - {503}))


@contextmanager
def _warm_server(command: Sequence[str]) -> Iterator[_Target]:
    """Run a server of which both decoders have decoded an image."""
    with TemporaryDirectory() as folder, serve(Path(folder), command, **UNLIMITED) as server:
        hostile = [server.register("hostile") for _ in range(AT_ONCE)]
        plain, large = server.register("plain"), hostile_images("PNG")[LARGE]
        _post_at_once(hostile, [large] * 4)
        plain.predict("v2", image_files()[0])
        yield _Target(IdleServer(server.process.pid), hostile, plain)


def _post_at_once(clients: Sequence[Client], files: Sequence[bytes]) -> list[int]:
    with ThreadPoolExecutor(len(files)) as pool:
        return list(pool.map(_post, clients, files))


def _post(client: Client, file: bytes) -> int:
    headers = {"Content-Type": "image/png"}
    return client.call("POST", "/api/v2/predict", data=file, headers=headers).status_code

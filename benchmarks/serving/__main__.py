"""`make bench`: Cifra with everything enabled, compared with bare FastAPI and ONNX Runtime.

Cifra checks tokens and limits, runs both models in A/B and stores a row; FastAPI does none of that.
Server and load have a core each. In each round all servers take several short turns, so that
temporary load on the machine slows all of them alike; each figure is the median of the rounds.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import requests
from tqdm import tqdm

from app.imaging.decoding import encode_png
from app.training.datasets import load_base_sets
from benchmarks.results_table import Row, print_table
from benchmarks.serving import extra_results
from benchmarks.serving.server_setups import all_servers, ensure_fastapi
from benchmarks.serving.wrk import ImageFolder, Measurement, Target, ensure_wrk, measure
from tests.support.server_process import ROOT

ROUNDS, TURNS, SECONDS, WARM_S = 5, 4, 1, 2
CONNECTIONS = 16
IMAGES, CHECKED_ANSWERS, MIN_CORRECT = 1_000, 200, 0.98
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
HEADER = """# Serving benchmarks

`make bench` writes this page. It compares Cifra, with tokens, rate limits, stored rows and, for
A/B, both models, with a bare FastAPI and ONNX Runtime server that has none of them. Each server
runs on one core and the load generator on another; wrk posts a thousand distinct golden digits. In
each of five rounds every server is measured four times for a second. Each figure is the median of
the rounds' ratios; in parentheses are the medians of Cifra and of FastAPI, and the ratio's range.

Measured on: {machine}.

| what | limit | figure |
| --- | --- | --- |"""
SMALL, LARGE = ROOT / "models" / "v1.onnx", ROOT / "models" / "v2.onnx"


@dataclass(frozen=True)
class RatioLimit:
    """A minimum ratio to FastAPI, or with `at_most` a maximum."""

    what: str
    cifra: str
    fastapi: str
    figure: Callable[[Measurement], float]
    limit: float
    at_most: bool = False


LIMITS = (
    RatioLimit(
        "HTTP tier, /api/v2/predict, multipart: requests/s",
        "http",
        "fastapi",
        lambda m: m.rate,
        0.95,
    ),
    RatioLimit(
        "HTTP tier, /api/v2/predict, raw body: requests/s", "raw", "fastapi", lambda m: m.rate, 1.1
    ),
    RatioLimit("HTTP tier, /api/ab/predict: requests/s", "ab", "fastapi", lambda m: m.rate, 0.8),
    RatioLimit(
        "embedded, /api/v2/predict: requests/s", "embedded", "fastapi", lambda m: m.rate, 0.6
    ),
    RatioLimit("HTTP tier: p99", "http", "fastapi", lambda m: m.p99_ms, 1.5, at_most=True),
    RatioLimit(
        "HTTP tier, one connection: p50",
        "http 1",
        "fastapi 1",
        lambda m: m.p50_ms,
        1.6,
        at_most=True,
    ),
)


def main() -> None:
    """Print the table; exit with 1 if a limit is missed."""
    ensure_wrk()
    ensure_fastapi()
    quick = "--quick" in sys.argv
    rounds = 2 if quick else ROUNDS
    kept: list[Row] = []
    with TemporaryDirectory() as folder, _written_results(kept, write=not quick):
        images = write_images(Path(folder) / "images")
        parts = [
            compare_servers(
                Path(folder) / "small", "v1's model in both slots", (SMALL, SMALL), images, rounds
            ),
            compare_servers(
                Path(folder) / "bundled", "the bundled models", (SMALL, LARGE), images, rounds
            ),
        ]
        if not quick:
            parts += [extra_results.batches(Path(folder)), extra_results.starts(Path(folder))]
            parts += [
                extra_results.growth(Path(folder), images),
                extra_results.memory(Path(folder), images),
            ]
        print_table(parts, len(parts), "serving", kept=kept)


@contextmanager
def _written_results(rows: Sequence[Row], *, write: bool) -> Iterator[None]:
    """Write the results and the machine to RESULTS.md when the block ends."""
    try:
        yield
    finally:
        if write and rows:
            table = [
                f"| {row.what} | {row.limit} | {row.figure}{' **missed**' if row.missed else ''} |"
                for row in rows
            ]
            RESULTS.write_text(
                "\n".join([HEADER.format(machine=_machine()), *table, ""]), encoding="utf-8"
            )


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    memory_gib = round(psutil.virtual_memory().total / 2**30)
    python, system = platform.python_version(), platform.release()
    return f"{name}, {os.cpu_count()} cores, {memory_gib} GiB, Linux {system}, Python {python}"


def compare_servers(
    folder: Path, name: str, models: tuple[Path, Path], images: ImageFolder, rounds: int
) -> Iterator[Row]:
    """Measure every server with one pair of models under the same load, in turn."""
    folder.mkdir()
    with all_servers(folder, models) as (http, embedded, fastapi):
        targets = {
            "fastapi": (fastapi.target("/predict"), CONNECTIONS),
            "http": (http.target("/api/v2/predict"), CONNECTIONS),
            "raw": (http.target("/api/v2/predict", "raw"), CONNECTIONS),
            "ab": (http.target("/api/ab/predict"), CONNECTIONS),
            "embedded": (embedded.target("/api/v2/predict"), CONNECTIONS),
            "fastapi 1": (fastapi.target("/predict"), 1),
            "http 1": (http.target("/api/v2/predict"), 1),
        }
        for target, _ in targets.values():
            _check_answers(target, images)
        found = _alternate(targets, images, rounds)
    yield from (_row(limit, name, found) for limit in LIMITS)


def _alternate(
    targets: Mapping[str, tuple[Target, int]], images: ImageFolder, rounds: int
) -> dict[str, list[Measurement]]:
    found: dict[str, list[Measurement]] = {name: [] for name in targets}
    for target, connections in targets.values():
        measure(target, images, connections, WARM_S)
    with tqdm(total=rounds * TURNS * len(targets), desc="loads", leave=False) as progress:
        for _ in range(rounds):
            turns: dict[str, list[Measurement]] = {name: [] for name in targets}
            for name, (target, connections) in [*targets.items()] * TURNS:
                turns[name].append(measure(target, images, connections, SECONDS))
                progress.update()
            for name, measured in turns.items():
                found[name].append(_combine_turns(name, measured))
    return found


def _combine_turns(name: str, turns: Sequence[Measurement]) -> Measurement:
    """Combine the turns of a round; percentiles are averaged."""
    if failed := sum(turn.failed for turn in turns):
        raise SystemExit(f"{name}: {failed} requests failed")
    return Measurement(
        requests=sum(turn.requests for turn in turns),
        seconds=sum(turn.seconds for turn in turns),
        failed=0,
        p50_ms=float(np.mean([turn.p50_ms for turn in turns])),
        p99_ms=float(np.mean([turn.p99_ms for turn in turns])),
    )


def _row(limit: RatioLimit, name: str, found: Mapping[str, list[Measurement]]) -> Row:
    cifra, fastapi = (
        [limit.figure(each) for each in found[of]] for of in (limit.cifra, limit.fastapi)
    )
    ratios = [mine / theirs for mine, theirs in zip(cifra, fastapi, strict=True)]
    ratio, spread = float(np.median(ratios)), f"{min(ratios):.2f} to {max(ratios):.2f}"
    return Row(
        f"{limit.what}, {name}",
        f"{'<=' if limit.at_most else '>='} {limit.limit} times FastAPI's",
        f"{ratio:.2f} ({np.median(cifra):,.4g} and {np.median(fastapi):,.4g}; {spread})",
        missed=ratio > limit.limit if limit.at_most else ratio < limit.limit,
    )


def _check_answers(target: Target, images: ImageFolder) -> None:
    """Exit if answers are wrong, since a wrong answer can be fast."""
    labels = load_base_sets().golden.labels
    headers = {"Authorization": f"Bearer {target.token}"}
    right = 0
    for number in range(CHECKED_ANSWERS):
        image = (images.folder / f"{number}.png").read_bytes()
        answer = requests.post(
            target.url, files={"file": ("digit.png", image)}, headers=headers, timeout=30
        )
        right += answer.json()["prediccion"] == labels[number]
    if right < MIN_CORRECT * CHECKED_ANSWERS:
        raise SystemExit(f"{target.url}: {right} of {CHECKED_ANSWERS} answers are right")


def write_images(folder: Path) -> ImageFolder:
    """Write a thousand golden digits as files."""
    folder.mkdir()
    for number, digit in enumerate(load_base_sets().golden.digits[:IMAGES]):
        (folder / f"{number}.png").write_bytes(encode_png(digit))
    return ImageFolder(folder, IMAGES)


if __name__ == "__main__":
    main()

"""Batches, startup, memory, and speed with a full database."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import requests
from tqdm import tqdm

from app.imaging.decoding import encode_png
from app.training.datasets import load_base_sets
from benchmarks.report import fill
from benchmarks.results_table import Row
from benchmarks.serving.server_setups import CORE, RunningServer, cifra, prepare_database
from benchmarks.serving.wrk import ImageFolder, measure
from tests.conftest import make_config, opened_app
from tests.support.server_process import EMBEDDED, HTTP_TIER, ROOT

MODELS = ROOT / "models" / "v1.onnx", ROOT / "models" / "v2.onnx"
BATCH, BATCHES, ROUNDS = 64, 20, 5
MIN_LOOP_RATIO, MAX_START_S, MAX_MB = 0.6, 3.0, 200
STORED_PREDICTIONS, MIN_GROWTH_RATIO, MANY_REQUESTS = 1_000_000, 0.95, 200_000
CONNECTIONS, SECONDS = 16, 4

_LOOP = """
import sys, time
from app.imaging.normalization import to_model_input
from app.imaging.preprocessing import preprocess
from app.onnx_runtime import open_session
from pathlib import Path
session = open_session(Path("models/v2.onnx").read_bytes())
files = [each.read_bytes() for each in sorted(Path(sys.argv[1]).glob("*.png"))]
for turn in range(2):
    started_at_s = time.perf_counter()
    for file in files:
        inputs = to_model_input(preprocess(file).digit)
        session.run(["probabilities"], {"digits": inputs})
print(len(files) / (time.perf_counter() - started_at_s))
"""


def batches(folder: Path) -> Iterator[Row]:
    """Measure images per second in batches of 64, relative to a simple loop of the same steps."""
    pngs = [encode_png(digit) for digit in load_base_sets().golden.digits[: BATCH * 10]]
    loop_folder = folder / "loop"
    loop_folder.mkdir()
    for number, png in enumerate(pngs):
        (loop_folder / f"{number:04}.png").write_bytes(png)
    ours, loops = [], []
    (folder / "batches").mkdir()
    with cifra(folder / "batches", HTTP_TIER) as tier:
        for _ in range(ROUNDS):
            ours.append(_batch_rate(tier, pngs))
            loops.append(_loop_rate(loop_folder))
    ratio = float(np.median(ours) / np.median(loops))
    yield Row(
        f"batches of {BATCH}, images/s relative to a simple loop",
        f">= {MIN_LOOP_RATIO} times",
        f"{ratio:.2f} ({np.median(ours):.0f} and {np.median(loops):.0f})",
        missed=ratio < MIN_LOOP_RATIO,
    )


def starts(folder: Path) -> Iterator[Row]:
    """Measure the time from start to first response, memory, and that torch is not loaded."""
    data = folder / "starts"
    prepare_database(data, MODELS)
    seconds = []
    for _ in range(ROUNDS):
        started_at_s = time.perf_counter()
        with cifra(data, EMBEDDED) as tier:
            seconds.append(time.perf_counter() - started_at_s)
            _post(tier, encode_png(load_base_sets().golden.digits[0]))
            memory_mb, has_torch = tier.memory_mb(), _maps_torch(tier.pid)
    yield Row(
        "embedded: start to first response",
        f"<= {MAX_START_S} s",
        f"{np.median(seconds):.2f} s",
        missed=float(np.median(seconds)) > MAX_START_S,
    )
    yield Row(
        "embedded: resident memory of both processes",
        f"<= {MAX_MB} MB, without torch",
        f"{memory_mb:.0f} MB, {'with' if has_torch else 'without'} torch",
        missed=memory_mb > MAX_MB or has_torch,
    )


def growth(folder: Path, images: ImageFolder) -> Iterator[Row]:
    """Measure requests per second on an empty database and with a million predictions, in turn."""
    empty, full = folder / "empty", folder / "full"
    for data in (empty, full):
        prepare_database(data, MODELS)
    with opened_app(make_config(full)) as app, app.app_context():
        fill(STORED_PREDICTIONS)
    found: dict[Path, list[float]] = {empty: [], full: []}
    with cifra(empty, HTTP_TIER) as before, cifra(full, HTTP_TIER) as after:
        for turn in tqdm(range(ROUNDS + 1), "growth", leave=False):
            for data, tier in ((empty, before), (full, after)):
                target = tier.target("/api/ab/predict")
                measured = measure(target, images, CONNECTIONS, SECONDS)
                if turn:
                    found[data].append(measured.rate)
    ratio = float(np.median(found[full]) / np.median(found[empty]))
    yield Row(
        f"requests/s after {STORED_PREDICTIONS:,} stored predictions, /api/ab/predict",
        f">= {MIN_GROWTH_RATIO} times those on an empty database",
        f"{ratio:.3f} ({np.median(found[full]):.0f} and {np.median(found[empty]):.0f})",
        missed=ratio < MIN_GROWTH_RATIO,
    )


def memory(folder: Path, images: ImageFolder) -> Iterator[Row]:
    """Measure resident memory before and after many requests."""
    data = folder / "memory"
    prepare_database(data, MODELS)
    sizes_mb, sent = [], 0
    with cifra(data, HTTP_TIER) as tier, tqdm(total=MANY_REQUESTS, leave=False) as progress:
        target = tier.target("/api/ab/predict")
        measure(target, images, CONNECTIONS, SECONDS)
        while sent < MANY_REQUESTS:
            sizes_mb.append(tier.memory_mb())
            done = measure(target, images, CONNECTIONS, 10).requests
            sent += done
            progress.update(done)
        sizes_mb.append(tier.memory_mb())
    first_mb, last_mb = float(np.median(sizes_mb[:3])), float(np.median(sizes_mb[-3:]))
    yield Row(
        f"HTTP tier: memory over {sent:,} requests",
        "<= 2 % more",
        f"{first_mb:.0f} MB, then {last_mb:.0f} MB",
        missed=last_mb > 1.02 * first_mb,
    )


def _batch_rate(tier: RunningServer, pngs: list[bytes]) -> float:
    headers = {"Authorization": f"Bearer {tier.token}"}
    parts = [
        [("file", ("digit.png", png)) for png in pngs[start : start + BATCH]]
        for start in range(0, len(pngs), BATCH)
    ]
    bodies = [
        requests.Request("POST", f"{tier.url}/api/v2/predict/batch", files=part, headers=headers)
        for part in parts
    ]
    with requests.Session() as session:
        ready = [session.prepare_request(body) for body in bodies]
        session.send(ready[0])
        started_at_s = time.perf_counter()
        for number in range(BATCHES):
            session.send(ready[number % len(ready)]).raise_for_status()
        return BATCH * BATCHES / (time.perf_counter() - started_at_s)


def _loop_rate(folder: Path) -> float:
    command = ["taskset", "-c", CORE, sys.executable, "-c", _LOOP, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _post(tier: RunningServer, png: bytes) -> None:
    headers = {"Authorization": f"Bearer {tier.token}"}
    files = {"file": ("digit.png", png)}
    url = f"{tier.url}/api/v2/predict"
    requests.post(url, files=files, headers=headers, timeout=30).raise_for_status()


def _maps_torch(pid: int) -> bool:
    """Return whether a process of the server has loaded torch's libraries."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return any("torch" in each.path for process in processes for each in process.memory_maps())

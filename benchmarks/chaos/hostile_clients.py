"""Clients that do not read, upload slowly, send decompression bombs, or guess usernames."""

import io
import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import requests
from PIL import Image
from tqdm import tqdm
from websocket import create_connection

from benchmarks.chaos.load_clients import Responses, image_files, sending_requests
from benchmarks.results_table import Row
from tests.support.live_client import connect_live, wait_until
from tests.support.server_process import UNLIMITED, Client, Server, serve

MIB = 2**20
CLIENTS, SILENT_DASHBOARDS, SLOW_UPLOADS = 8, 20, 10
MAX_GROWTH_MB, MAX_RATIO, MAX_TIMING_DIFFERENCE = 50.0, 2.0, 0.1
LOAD_S, ATTEMPTS = 10.0, 40


def silent_dashboards() -> Iterator[Row]:
    """Connect dashboards that never read, beside one that does and clients that predict."""
    with (
        TemporaryDirectory() as folder,
        serve(Path(folder), **UNLIMITED) as server,
        ExitStack() as stack,
    ):
        admin = server.admin_client()
        clients = [server.register(f"client {each}") for each in range(CLIENTS)]
        responses = Responses()
        with sending_requests(clients, responses):
            time.sleep(2)
        for _ in range(SILENT_DASHBOARDS):
            stack.enter_context(_silent_dashboard(server, admin))
        with connect_live(server.url, admin.tokens["access_token"]) as listener:
            responses = Responses()
            with _monitored_memory(server) as memory, sending_requests(clients, responses):
                time.sleep(LOAD_S)
            total = admin.call("GET", "/admin/experiments").json()["experiments"][0]["requests"]
            started_at_s = time.perf_counter()
            listener.wait_for("traffic", requests=total)
            received_s = time.perf_counter() - started_at_s
    failed = sum(code != 200 for code in responses.statuses)
    yield Row(
        f"{SILENT_DASHBOARDS} dashboards that read nothing, {len(responses.statuses):,}"
        " predictions: memory growth",
        f"<= {MAX_GROWTH_MB:g} MB",
        f"{memory.grown_mb:.0f} MB; {failed} predictions failed; a reading one received everything"
        f" within {received_s:.1f} s",
        missed=memory.grown_mb > MAX_GROWTH_MB or failed > 0,
    )


def slow_uploads() -> Iterator[Row]:
    """Upload one byte a second, each upload occupying a thread."""
    with (
        TemporaryDirectory() as folder,
        serve(Path(folder), **UNLIMITED) as server,
        ExitStack() as stack,
    ):
        clients = [server.register(f"client {each}") for each in range(4)]
        alone, during = Responses(), Responses()
        for responses, count in ((alone, 0), (during, SLOW_UPLOADS)):
            for _ in range(count):
                stack.enter_context(_slow_upload(server, clients[0]))
            with sending_requests(clients, responses):
                time.sleep(LOAD_S / 2)
    ratio = float(np.median(during.seconds) / np.median(alone.seconds))
    failed = sum(code != 200 for code in during.statuses)
    yield Row(
        f"{SLOW_UPLOADS} uploads at one byte a second: median of concurrent predictions",
        f"<= {MAX_RATIO:g} times",
        f"{ratio:.2f} times, {failed} of {len(during.statuses):,} failed",
        missed=ratio > MAX_RATIO or failed > 0,
    )


def bad_images() -> Iterator[Row]:
    """Send images that are too large, or disguised as something else."""
    with TemporaryDirectory() as folder, serve(Path(folder), **UNLIMITED) as server:
        client, found = server.register("client"), set[int]()
        for png in image_files()[:20]:
            client.predict("v2", png)
        with _monitored_memory(server) as memory:
            for _ in range(3):
                for image in _bad_images():
                    found.add(client.predict("v2", image).status_code)
    yield Row(
        "decompression bombs, polyglots, truncated, empty and mislabeled images:"
        " memory growth at most",
        f"<= {MAX_GROWTH_MB:g} MB, 4xx",
        f"{memory.grown_mb:.0f} MB; statuses {', '.join(map(str, sorted(found)))}",
        missed=memory.grown_mb > MAX_GROWTH_MB or any(not 400 <= code < 500 for code in found),
    )


def username_timing() -> Iterator[Row]:
    """Compare the time of a failed login for an existing and for an unknown username."""
    with (
        TemporaryDirectory() as folder,
        serve(Path(folder), **UNLIMITED | {"BCRYPT_ROUNDS": "10"}) as server,
    ):
        server.register("known")
        seconds: dict[str, list[float]] = {"known": [], "unknown": []}
        for _ in tqdm(range(ATTEMPTS), "logins", leave=False):
            for name, times_s in seconds.items():
                started_at_s = time.perf_counter()
                credentials = {"username": name, "password": "a wrong password"}
                requests.post(f"{server.url}/login", json=credentials, timeout=30)
                times_s.append(time.perf_counter() - started_at_s)
    known, unknown = (float(np.median(times_s)) for times_s in seconds.values())
    difference = abs(unknown / known - 1)
    yield Row(
        "a wrong password for an existing and for an unknown username: difference in time",
        f"<= {MAX_TIMING_DIFFERENCE:.0%}",
        f"{difference:.1%} ({1000 * known:.1f} and {1000 * unknown:.1f} ms)",
        missed=difference > MAX_TIMING_DIFFERENCE,
    )


class _MemoryMonitor:
    """The peak memory of a server's processes, relative to the start."""

    def __init__(self, server: Server) -> None:
        first = psutil.Process(server.process.pid)
        self._processes = [first, *first.children(recursive=True)]
        self._before = self._peak = self._now()

    def _now(self) -> int:
        return sum(process.memory_info().rss for process in self._processes)

    def sample(self) -> None:
        """Update the peak with the current memory."""
        self._peak = max(self._peak, self._now())

    @property
    def grown_mb(self) -> float:
        """Return the growth at the peak, in MB."""
        return (self._peak - self._before) / MIB


@contextmanager
def _monitored_memory(server: Server) -> Iterator[_MemoryMonitor]:
    """Sample the server's memory a hundred times a second until the block ends."""
    memory, is_over = _MemoryMonitor(server), threading.Event()

    def sample() -> None:
        while not is_over.wait(0.01):
            memory.sample()

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield memory
    finally:
        is_over.set()
        thread.join()


@contextmanager
def _silent_dashboard(server: Server, client: Client) -> Iterator[None]:
    """Open a websocket that authenticates and then never reads."""
    address = f"{server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
    small_buffer = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 1024),)
    connection = create_connection(address, timeout=30, sockopt=small_buffer)
    try:
        connection.recv()
        connection.send("40/live," + json.dumps({"token": client.tokens["access_token"]}))
        wait_until(lambda: connection.recv().startswith("40/live"), "the connection")
        yield
    finally:
        connection.shutdown()


@contextmanager
def _slow_upload(server: Server, client: Client) -> Iterator[None]:
    """Upload a kilobyte at one byte a second."""
    is_over = threading.Event()
    connection = socket.create_connection(("127.0.0.1", server.port))
    head = (
        "POST /api/v2/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        f"Authorization: Bearer {client.tokens['access_token']}\r\nContent-Length: 1024\r\n\r\n"
    )
    connection.sendall(head.encode())

    def send_slowly() -> None:
        while not is_over.wait(1):
            connection.sendall(b"\x89")

    thread = threading.Thread(target=send_slowly)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        connection.close()


def _bad_images() -> Iterator[bytes]:
    """Yield files that must all be rejected."""
    yield b""
    yield b"<html><script>alert(1)</script></html>"
    yield _png_bomb(60_000, 60_000) + bytes(1_000)
    noise = Image.effect_noise((2000, 1990), 90)
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
        file = io.BytesIO()
        noise.save(file, kind)
        yield file.getvalue()[: min(file.tell() // 2, 4 * MIB)]
    yield b"GIF89a" + b"/*" + b"<script>" * 100
    yield b"PK\x03\x04" + image_files()[0]  # an archive in front, a image behind
    yield b"%PDF-1.7\n" + image_files()[0]
    yield bytes(15 * MIB + 1)


def _png_bomb(width: int, height: int) -> bytes:
    """Return a PNG that declares this size and inflates to a thousand times its file size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + crc

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\0\0\0\0"
    content = zlib.compress(bytes(100 * MIB), 9)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", content) + chunk(b"IEND", b"")

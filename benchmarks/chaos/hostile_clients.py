"""Clients that read nothing, send slowly, send bombs, or try names and passwords."""

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
from tests.support.live_client import listening, wait_until
from tests.support.server_process import UNLIMITED, Client, Server, serve

MIB = 2**20
CLIENTS, SILENT_DASHBOARDS, SLOW_UPLOADS = 8, 20, 10
MAX_GROWTH_MB, MAX_RATIO, MAX_TIMING_DIFFERENCE = 50.0, 2.0, 0.1
LOAD_S, ATTEMPTS = 10.0, 40


def silent_dashboards() -> Iterator[Row]:
    """Dashboards that are let in and then read nothing, while others watch and clients predict."""
    with (
        TemporaryDirectory() as folder,
        serve(Path(folder), **UNLIMITED) as server,
        ExitStack() as stack,
    ):
        admin = server.admin_client()
        clients = [server.register(f"client {each}") for each in range(CLIENTS)]
        told = Responses()
        with sending_requests(clients, told):
            time.sleep(2)
        for _ in range(SILENT_DASHBOARDS):
            stack.enter_context(_silent_dashboard(server, admin))
        with listening(server.url, admin.tokens["access_token"]) as watching:
            told = Responses()
            with _monitored_memory(server) as memory, sending_requests(clients, told):
                time.sleep(LOAD_S)
            total = admin.call("GET", "/admin/experiments").json()["experiments"][0]["requests"]
            started_at_s = time.perf_counter()
            watching.wait_for("traffic", requests=total)
            heard_s = time.perf_counter() - started_at_s
    failed = sum(code != 200 for code in told.statuses)
    yield Row(
        f"{SILENT_DASHBOARDS} dashboards that read nothing, {len(told.statuses):,} predictions: memory up by",
        f"<= {MAX_GROWTH_MB:g} MB",
        f"{memory.grown_mb:.0f} MB; {failed} predictions failed; one that reads heard all of it"
        f" within {heard_s:.1f} s",
        missed=memory.grown_mb > MAX_GROWTH_MB or failed > 0,
    )


def slow_uploads() -> Iterator[Row]:
    """Uploads of a byte a second, each of which holds a thread."""
    with (
        TemporaryDirectory() as folder,
        serve(Path(folder), **UNLIMITED) as server,
        ExitStack() as stack,
    ):
        clients = [server.register(f"client {each}") for each in range(4)]
        alone, beside = Responses(), Responses()
        for told, count in ((alone, 0), (beside, SLOW_UPLOADS)):
            for _ in range(count):
                stack.enter_context(_slow_upload(server, clients[0]))
            with sending_requests(clients, told):
                time.sleep(LOAD_S / 2)
    times = float(np.median(beside.seconds) / np.median(alone.seconds))
    failed = sum(code != 200 for code in beside.statuses)
    yield Row(
        f"{SLOW_UPLOADS} uploads of a byte a second: median of the predictions beside them",
        f"<= {MAX_RATIO:g} times",
        f"{times:.2f} times, {failed} of {len(beside.statuses):,} failed",
        missed=times > MAX_RATIO or failed > 0,
    )


def bad_images() -> Iterator[Row]:
    """Pictures made to be too much, or to be taken for something else."""
    with TemporaryDirectory() as folder, serve(Path(folder), **UNLIMITED) as server:
        client, found = server.register("client"), set[int]()
        for png in image_files()[:20]:
            client.predict("v2", png)
        with _monitored_memory(server) as memory:
            for _ in range(3):
                for picture in _bad_images():
                    found.add(client.predict("v2", picture).status_code)
    yield Row(
        "bombs, polyglots, torn, empty and mislabelled pictures: memory up by at most",
        f"<= {MAX_GROWTH_MB:g} MB, 4xx",
        f"{memory.grown_mb:.0f} MB; statuses {', '.join(map(str, sorted(found)))}",
        missed=memory.grown_mb > MAX_GROWTH_MB or any(not 400 <= code < 500 for code in found),
    )


def username_timing() -> Iterator[Row]:
    """Whether the time of a refusal tells that a name is known."""
    with (
        TemporaryDirectory() as folder,
        serve(Path(folder), **UNLIMITED | {"BCRYPT_ROUNDS": "10"}) as server,
    ):
        server.register("known")
        seconds: dict[str, list[float]] = {"known": [], "unknown": []}
        for _ in tqdm(range(ATTEMPTS), "logins", leave=False):
            for name, taken in seconds.items():
                started_at_s = time.perf_counter()
                tried = {"username": name, "password": "a wrong password"}
                requests.post(f"{server.url}/login", json=tried, timeout=30)
                taken.append(time.perf_counter() - started_at_s)
    known, unknown = (float(np.median(taken)) for taken in seconds.values())
    apart = abs(unknown / known - 1)
    yield Row(
        "a wrong password for a name that there is, and for one that there is not: times apart",
        f"<= {MAX_TIMING_DIFFERENCE:.0%}",
        f"{apart:.1%} ({1000 * known:.1f} and {1000 * unknown:.1f} ms)",
        missed=apart > MAX_TIMING_DIFFERENCE,
    )


class _MemoryMonitor:
    """The most that a server's processes held, beside what they held at first."""

    def __init__(self, server: Server) -> None:
        first = psutil.Process(server.process.pid)
        self._processes = [first, *first.children(recursive=True)]
        self._before = self._most = self._now()

    def _now(self) -> int:
        return sum(process.memory_info().rss for process in self._processes)

    def look(self) -> None:
        """Note what is held now."""
        self._most = max(self._most, self._now())

    @property
    def grown_mb(self) -> float:
        """By how much it grew at most."""
        return (self._most - self._before) / MIB


@contextmanager
def _monitored_memory(server: Server) -> Iterator[_MemoryMonitor]:
    """Look a hundred times a second until the block ends."""
    memory, over = _MemoryMonitor(server), threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            memory.look()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield memory
    finally:
        over.set()
        looking.join()


@contextmanager
def _silent_dashboard(server: Server, client: Client) -> Iterator[None]:
    """A websocket that shows its token and reads no more from then on."""
    address = f"{server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
    little = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 1024),)
    connection = create_connection(address, timeout=30, sockopt=little)
    try:
        connection.recv()
        connection.send("40/live," + json.dumps({"token": client.tokens["access_token"]}))
        wait_until(lambda: connection.recv().startswith("40/live"), "being let in")
        yield
    finally:
        connection.shutdown()


@contextmanager
def _slow_upload(server: Server, client: Client) -> Iterator[None]:
    """An upload of a kilobyte that comes a byte a second."""
    over = threading.Event()
    connection = socket.create_connection(("127.0.0.1", server.port))
    head = (
        "POST /api/v2/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        f"Authorization: Bearer {client.tokens['access_token']}\r\nContent-Length: 1024\r\n\r\n"
    )
    connection.sendall(head.encode())

    def drip() -> None:
        while not over.wait(1):
            connection.sendall(b"\x89")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        yield
    finally:
        over.set()
        dripping.join()
        connection.close()


def _bad_images() -> Iterator[bytes]:
    """Each is to be refused."""
    yield b""
    yield b"<html><script>alert(1)</script></html>"
    yield _png_bomb(60_000, 60_000) + bytes(1_000)
    noise = Image.effect_noise((2000, 1990), 90)
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
        file = io.BytesIO()
        noise.save(file, kind)
        yield file.getvalue()[: min(file.tell() // 2, 4 * MIB)]
    yield b"GIF89a" + b"/*" + b"<script>" * 100
    yield b"PK\x03\x04" + image_files()[0]  # an archive in front, a picture behind
    yield b"%PDF-1.7\n" + image_files()[0]
    yield bytes(5 * MIB + 1)


def _png_bomb(width: int, height: int) -> bytes:
    """A PNG that says it is this large, whose content unpacks to a thousand times its size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + crc

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\0\0\0\0"
    content = zlib.compress(bytes(100 * MIB), 9)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", content) + chunk(b"IEND", b"")

"""A disk that is full: clear refusals, nothing acknowledged is lost, and it recovers by itself."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import GoldenSet
from tests.integration.test_durability import kept_ids
from tests.support.server_process import EMBEDDED, UNLIMITED, Server, serve

DISK = "16m"
PASSWORD = "the admin of a small disk"

# A small disk of the server's own, in a mount namespace that any user may make.
ON_A_SMALL_DISK = (
    *("unshare", "--map-root-user", "--mount", "sh", "-c"),
    f'mount -t tmpfs -o size={DISK} tmpfs "$DATA_DIR" && exec "$@"',
    "sh",
)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Server]:
    may = subprocess.run(
        [*ON_A_SMALL_DISK, "true"], env={**os.environ, "DATA_DIR": str(tmp_path)}, check=False
    )
    if may.returncode:
        missing = "namespaces of one's own are not allowed here"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    command = (*ON_A_SMALL_DISK, *EMBEDDED)
    with serve(tmp_path, command, **UNLIMITED, ADMIN_PASSWORD=PASSWORD) as running:
        yield running


@contextmanager
def filled(server: Server) -> Iterator[None]:
    """Leave no byte free on the server's disk."""
    ballast = Path(f"/proc/{server.process.pid}/root{server.data_dir}/ballast")
    try:
        with ballast.open("wb", buffering=0) as file:
            for size in (2**16, 2**12, 1):
                while _is_written(file, size):
                    pass
        yield
    finally:
        ballast.unlink()


def _is_written(file: object, size: int) -> bool:
    try:
        return bool(file.write(bytes(size)))  # type: ignore[attr-defined]
    except OSError:
        return False


def test_a_full_disk_refuses_writes_loses_nothing_and_recovers(
    small: Server, golden: GoldenSet
) -> None:
    ana = small.register("ana")
    made = {ana.predict("ab", golden.png(at)).json()["prediction_id"] for at in range(20)}
    refused = []
    with filled(small):
        for at in range(300):
            answer = ana.predict("ab", golden.png(at))
            if answer.status_code == 200:
                made.add(answer.json()["prediction_id"])
            else:
                refused.append((answer.status_code, answer.headers.get("Retry-After")))
        assert kept_ids(ana) == made
        assert ana.call("GET", "/livez").status_code == 200
        login = {"username": "ana", "password": "password of ana"}
        assert ana.post(f"{small.url}/login", json=login, timeout=30).status_code == 503
    assert refused
    assert set(refused) == {(503, "5")}
    answers = [ana.predict("ab", golden.png(at)) for at in range(20)]
    assert [answer.status_code for answer in answers] == [200] * 20
    assert kept_ids(ana) == made | {answer.json()["prediction_id"] for answer in answers}

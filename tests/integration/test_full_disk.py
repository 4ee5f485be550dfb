"""A full disk: clear errors, no acknowledged data is lost, and the server recovers by itself."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import GoldenSet
from tests.integration.test_durability import list_prediction_ids
from tests.support.server_process import EMBEDDED, UNLIMITED, Server, serve

DISK = "16m"
SETTINGS = UNLIMITED | {"ADMIN_PASSWORD": "the admin of a small disk", "DISK_RESERVE_MB": "1"}

# A small disk for the server alone, in a mount namespace that any user may create.
SMALL_DISK_COMMAND = (
    "unshare",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    f'mount -t tmpfs -o size={DISK} tmpfs "$DATA_DIR" && exec "$@"',
    "sh",
)


@pytest.fixture
def small_disk_server(tmp_path: Path) -> Iterator[Server]:
    allowed = subprocess.run(
        [*SMALL_DISK_COMMAND, "true"], env={**os.environ, "DATA_DIR": str(tmp_path)}, check=False
    )
    if allowed.returncode:
        missing = "user namespaces are not allowed here"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    command = (*SMALL_DISK_COMMAND, *EMBEDDED)
    with serve(tmp_path, command, **SETTINGS) as running:
        yield running


@contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """Fill the server's disk to the last byte until the block ends."""
    ballast = Path(f"/proc/{server.process.pid}/root{server.data_dir}/ballast")
    try:
        with ballast.open("wb", buffering=0) as file:
            for size in (2**16, 2**12, 1):
                while _try_write(file, size):
                    pass
        yield
    finally:
        ballast.unlink()


def _try_write(file: object, size: int) -> bool:
    try:
        return bool(file.write(bytes(size)))  # type: ignore[attr-defined]
    except OSError:
        return False


def test_a_full_disk_rejects_writes_loses_nothing_and_recovers(
    small_disk_server: Server, golden: GoldenSet
) -> None:
    ana = small_disk_server.register("ana")
    made = {ana.predict("ab", golden.png(at)).json()["prediction_id"] for at in range(20)}
    rejected = []
    with full_disk(small_disk_server):
        for at in range(300):
            answer = ana.predict("ab", golden.png(at))
            if answer.status_code == 200:
                made.add(answer.json()["prediction_id"])
            else:
                rejected.append((answer.status_code, answer.headers.get("Retry-After")))
        assert list_prediction_ids(ana) == made
        assert ana.call("GET", "/livez").status_code == 200
        assert ana.call("GET", "/readyz").status_code == 503
        login = {"username": "ana", "password": "password of ana"}
        assert ana.post(f"{small_disk_server.url}/login", json=login, timeout=30).status_code == 503
    small_disk_server.wait()  # ready again
    assert rejected
    assert set(rejected) == {(503, "5")}
    answers = [ana.predict("ab", golden.png(at)) for at in range(20)]
    assert [answer.status_code for answer in answers] == [200] * 20
    assert list_prediction_ids(ana) == made | {answer.json()["prediction_id"] for answer in answers}

"""Erased data is also gone from the bytes of the database's files."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.imaging.decoding import encode_png
from app.imaging.preprocessing import preprocess
from tests.conftest import GoldenSet
from tests.support.server_process import UNLIMITED, Client, Server, serve

WITHIN_S = 20.0


def is_in_files(folder: Path, wanted: bytes) -> bool:
    """Return whether any of the database's files contains these bytes."""
    return any(wanted in file.read_bytes() for file in folder.glob("app.db*"))


def wait_until_gone(folder: Path, *erased: bytes) -> None:
    deadline = time.monotonic() + WITHIN_S
    while any(is_in_files(folder, each) for each in erased):
        assert time.monotonic() < deadline, "erased bytes are still in the files"
        time.sleep(0.1)


def mark_strokes(golden: GoldenSet, index: int) -> npt.NDArray[np.uint8]:
    """Return a digit image with unique marks on its strokes, so that no other image is like it."""
    digit = golden.digits[index].copy()
    marks = np.random.default_rng(index).integers(150, 256, digit.shape, dtype=np.uint8)
    strokes = digit > 200
    digit[strokes] = marks[strokes]
    return digit


@dataclass(frozen=True)
class Secret:
    """A prediction, with bytes of its image and of the feedback on it."""

    owner: Client
    prediction_id: str
    bytes: tuple[bytes, bytes]


def send_secret(server: Server, golden: GoldenSet, index: int) -> Secret:
    """Have a new user send a unique image and comment, among other images."""
    owner, png = server.register(f"somebody{index}"), encode_png(mark_strokes(golden, index))
    comment = f"a comment that only somebody{index} has written"
    prediction_id = str(owner.predict("v2", png).json()["prediction_id"])
    feedback = {"prediction_id": prediction_id, "correct": True, "comment": comment}
    assert owner.call("POST", "/feedback", json=feedback).status_code == 201
    for filler in range(20):
        assert owner.predict("v2", golden.png(100 + filler)).status_code == 200
    secret = Secret(owner, prediction_id, (stored_bytes(png), comment.encode()))
    assert all(is_in_files(server.data_dir, each) for each in secret.bytes)
    return secret


def stored_bytes(png: bytes) -> bytes:
    """Return bytes of the stored image that no other image has."""
    return preprocess(png).digit.tobytes()[200:500]


def test_an_erased_prediction_leaves_no_bytes(tmp_path: Path, golden: GoldenSet) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        secret = send_secret(server, golden, 0)
        assert (
            secret.owner.call("DELETE", f"/predictions/{secret.prediction_id}").status_code == 200
        )
        wait_until_gone(tmp_path, *secret.bytes)
        assert is_in_files(tmp_path, stored_bytes(golden.png(119)))


def test_an_erased_account_leaves_no_bytes(tmp_path: Path, golden: GoldenSet) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        secret = send_secret(server, golden, 0)
        assert secret.owner.call("DELETE", "/me").status_code == 200
        wait_until_gone(tmp_path, *secret.bytes, b"somebody0", stored_bytes(golden.png(119)))


def test_expired_data_leaves_no_bytes(tmp_path: Path, golden: GoldenSet) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        secret = send_secret(server, golden, 0)
    with closing(sqlite3.connect(tmp_path / "app.db")) as database, database:
        new = {
            "old": f"{2**70:032x}",
            "id": secret.prediction_id.replace("-", ""),
        }  # an id of 1970
        database.execute("UPDATE prediction SET id = :old WHERE id = :id", new)
        changed = database.execute(
            "UPDATE feedback SET prediction_id = :old WHERE prediction_id = :id", new
        )
        assert changed.rowcount == 1
    with serve(tmp_path, **UNLIMITED, RETENTION_DAYS="365"):
        wait_until_gone(tmp_path, *secret.bytes)
        assert is_in_files(tmp_path, stored_bytes(golden.png(119)))

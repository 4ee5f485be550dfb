"""Groups of predictions that several processes write at once."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from flask import Flask
from sqlalchemy import text

from app.domain.assignment import Version
from app.services import recounting
from app.services.prediction import Asked
from app.store.db import reading
from tests.conftest import (
    Disputed,
    admin_of,
    beside,
    parts_of,
    postgres_database,
    prepared,
    register,
    settings,
)

USERS = 24


def test_two_processes_meet_the_same_users_and_pictures_in_any_order(
    postgres_url: str, tmp_path: Path, disputed: Disputed
) -> None:
    pngs = disputed.pngs[:USERS]
    with postgres_database(postgres_url, "cifra_recording") as url:
        config = settings(tmp_path, DATABASE_URL=url, RATELIMIT_ENABLED="false")
        with prepared(config) as app, beside(config) as other:
            for name in range(USERS):
                register(app, f"user {name}")
            with app.app_context(), reading() as session:
                users = list(session.scalars(text("""SELECT id FROM "user" ORDER BY id""")))[1:]
            for _ in range(5):
                start_by_user(app)
                asked = list(zip(users, pngs, strict=True))
                written = at_once((app, asked), (other, asked[::-1]))
                assert [answer for answer in written if isinstance(answer, Exception)] == []
            with app.app_context(), reading() as session:
                assert session.scalar(text("SELECT count(*) FROM exposure")) == 5 * USERS
                assert session.scalar(text("SELECT count(*) FROM review_item")) == 5 * USERS
            with app.app_context():
                assert list(recounting.differences()) == []


def start_by_user(app: Flask) -> None:
    """Start an experiment that has met nobody yet."""
    admin = admin_of(app)
    running = admin.call("GET", "/admin/experiments").get_json()["experiments"][0]["id"]
    assert admin.call("POST", f"/admin/experiments/{running}/stop").status_code == 200
    assert admin.call("POST", "/admin/experiments", json={"unit": "user"}).status_code == 201


def at_once(*groups: tuple[Flask, Sequence[tuple[int, bytes]]]) -> list[object]:
    """Have each application read its group of users' pictures; all that they answer."""
    ready = Barrier(len(groups))

    def read(app: Flask, asked: Sequence[tuple[int, bytes]]) -> Sequence[object]:
        parts = parts_of(app)
        parts.splits.forget()
        split = parts.splits.current()
        ready.wait()
        return parts.reader.read_all(
            [Asked(user, png, Version.V1, time.perf_counter(), split) for user, png in asked]
        )

    with ThreadPoolExecutor(len(groups)) as pool:
        return [
            answer for answers in pool.map(lambda each: read(*each), groups) for answer in answers
        ]

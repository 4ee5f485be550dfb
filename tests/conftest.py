"""What tests share: real digits, an application on a real database, a served one."""

import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings as hypothesis_settings
from PIL import Image
from sqlalchemy import create_engine, make_url, text
from threadpoolctl import threadpool_limits
from werkzeug.test import TestResponse

from app import bootstrap, create_app
from app.api.http.container import Container, container
from app.imaging.decoding import encode_png
from app.imaging.normalization import to_model_input
from app.services.models.onnx_runtime import open_session
from app.services.reviews import attention_checks
from app.store.engine.db import dispose_engines
from app.training.datasets import MNIST, preprocess_all
from config import Config
from tests.support.openapi_client import DocumentedClient
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import ROOT, UNLIMITED, Server, serve

SECRETS = {"SECRET_KEY": "s" * 32, "JWT_SECRET_KEY": "j" * 32}
ADMIN_PASSWORD = "the admin's password"

_Answered = TypeVar("_Answered")

# Tests run beside each other: threads that share a core wait for each other, and no test may fail
# for having had to wait.
threadpool_limits(1, user_api="blas")
hypothesis_settings.register_profile("cifra", deadline=None)
hypothesis_settings.load_profile("cifra")

# Folders and fixtures of tests that start a server, a browser, a database or a training.
SLOW_FOLDERS = {
    *("benchmarks", "browser", "clients", "examples", "integration", "live", "training")
}
SLOW_FIXTURES = {"browser", "disagreements", "postgres_url", "redis", "server"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run every test in its long form")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests as slow by where they are and what they ask for; modules may say so themselves."""
    for item in items:
        folders = item.path.relative_to(ROOT / "tests").parts[:-1]
        fixtures = set(getattr(item, "fixturenames", ()))
        if folders[0] in SLOW_FOLDERS or SLOW_FIXTURES & fixtures:
            item.add_marker("slow")
        if "postgresql" in item.name:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether tests with a long and a short form run in the long one."""
    return bool(request.config.getoption("--long"))


@dataclass(frozen=True)
class GoldenSet:
    """The golden set: digits (n, 28, 28) and labels (n,)."""

    digits: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]

    def png(self, index: int) -> bytes:
        """One of its digits as a PNG file."""
        return encode_png(self.digits[index])

    def png_of(self, digit: int) -> bytes:
        """The first of its pictures of a digit."""
        return self.png(int(np.flatnonzero(self.labels == digit)[0]))


@pytest.fixture(scope="session")
def golden() -> GoldenSet:
    with np.load(MNIST) as archive:
        return GoldenSet(archive["x_test"], archive["y_test"])


@dataclass(frozen=True)
class Disagreements:
    """Golden digits on which the shipped models disagree, as PNG files, and who is right."""

    pngs: list[bytes]
    labels: list[int]
    v1_digits: list[int]
    v2_digits: list[int]

    @property
    def v1_correct(self) -> list[bool]:
        """Whether v1 names each right."""
        return [one == label for one, label in zip(self.v1_digits, self.labels, strict=True)]

    @property
    def v2_correct(self) -> list[bool]:
        """Whether v2 names each right."""
        return [one == label for one, label in zip(self.v2_digits, self.labels, strict=True)]


@pytest.fixture(scope="session")
def disagreements(golden: GoldenSet) -> Disagreements:
    digits = preprocess_all(golden.digits, "golden")
    v1, v2 = (
        np.concatenate([session.run(None, {"digits": part})[0] for part in parted]).argmax(axis=1)
        for session in (
            open_session((ROOT / "models" / f"{version}.onnx").read_bytes())
            for version in ("v1", "v2")
        )
        for parted in [np.array_split(to_model_input(digits), 10)]
    )
    where = np.flatnonzero(v1 != v2)
    return Disagreements(
        [golden.png(int(index)) for index in where],
        *([int(each) for each in of[where]] for of in (golden.labels, v1, v2)),
    )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A served Cifra without limits, shared by all tests that do not ask for another one."""
    with serve(tmp_path_factory.mktemp("served"), **UNLIMITED) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL of our own, from a pip package; it ends with the tests."""
    running = PostgresServer()
    yield running.url
    running.end()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind that Cifra runs on."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/app.db"
        return
    with postgres_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@contextmanager
def postgres_database(
    postgres_url: str, template: str = "template1", name: str | None = None
) -> Iterator[str]:
    """A database in a PostgreSQL, empty or a copy of a template, dropped at the end."""
    name = name or f"cifra_{uuid4().hex}"
    engine = create_engine(_with_driver(postgres_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield _with_driver(postgres_url).replace("/postgres?", f"/{name}?")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def _with_driver(postgres_url: str) -> str:
    return postgres_url.replace("://", "+psycopg://")


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """The name of a database with all tables, models and the first admin, to make copies of."""
    with postgres_database(postgres_url) as url:
        with TemporaryDirectory() as folder:
            _prepare(make_config(Path(folder), DATABASE_URL=url))
        yield str(make_url(url).database)


def make_config(tmp_path: Path, **more: str) -> Config:
    """Settings for an application in this folder."""
    quick = {"DATA_DIR": str(tmp_path), "BCRYPT_ROUNDS": "4", "ADMIN_PASSWORD": ADMIN_PASSWORD}
    return Config.from_env(SECRETS | quick | more)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return make_config(tmp_path, RATELIMIT_ENABLED="false")


@pytest.fixture(autouse=True)
def _unprobed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reviewers in this process see no probes but where a test asks for them."""
    monkeypatch.setattr(attention_checks, "ATTENTION_CHECK_RATE", 0)


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """An application on a temporary database, prepared as a first start does."""
    with bootstrapped_app(config) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def app_on_each(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """The same on SQLite and on PostgreSQL."""
    with ExitStack() as stack:
        more = {"RATELIMIT_ENABLED": "false"}
        if request.param == "postgresql":
            postgres_url = request.getfixturevalue("postgres_url")
            template = request.getfixturevalue("postgres_template")
            more["DATABASE_URL"] = stack.enter_context(postgres_database(postgres_url, template))
        yield stack.enter_context(bootstrapped_app(make_config(tmp_path, **more)))


@contextmanager
def second_app(config: Config) -> Iterator[Flask]:
    """An application on the database of a served Cifra, as another process has it."""
    made = create_app(config)
    try:
        yield made
    finally:
        with made.app_context():
            dispose_engines()


def _prepare(config: Config) -> None:
    """Do what a first start does, and let go of the database."""
    with create_app(config).app_context():
        bootstrap.prepare(config, container().hasher)
        dispose_engines()


@cache
def _prepared_sqlite() -> bytes:
    """An SQLite database as a first start leaves it: making one takes longer than most tests."""
    with TemporaryDirectory() as folder:
        _prepare(make_config(Path(folder)))
        return (Path(folder) / "app.db").read_bytes()


@contextmanager
def bootstrapped_app(config: Config) -> Iterator[Flask]:
    """Make an application ready for its first request, and let its connections go at the end."""
    if config.database_file is not None and not config.database_file.exists():
        config.database_file.write_bytes(_prepared_sqlite())
    made = create_app(config)
    made.test_client_class = DocumentedClient
    with made.app_context():
        bootstrap.prepare(config, container().hasher)
    try:
        yield made
    finally:
        with made.app_context():
            container().housekeeping.stop()
            container().retrain_worker.stop()
            container().mail_worker.stop()
            dispose_engines()


class UserClient:
    """Somebody with a login, calling an application in this process."""

    def __init__(self, app: Flask, username: str, password: str) -> None:
        self.app = app
        self.client: FlaskClient = app.test_client()
        answer = self.client.post("/login", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        self.tokens: dict[str, str] = answer.get_json()

    def call(self, method: str, path: str, **kwargs: Any) -> TestResponse:
        """Send one request with the access token."""
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        return self.app.test_client().open(path, method=method, headers=headers, **kwargs)

    def predict(self, route: str, picture: bytes) -> TestResponse:
        """Post a picture to /api/<route>/predict, as a raw body."""
        return self.call("POST", f"/api/{route}/predict", data=picture, content_type="image/png")


def register_user(app: Flask, username: str) -> UserClient:
    """Register somebody and log them in."""
    password = f"password of {username}"
    body = {"username": username, "password": password}
    assert app.test_client().post("/register", json=body).status_code == 201
    return UserClient(app, username, password)


def admin_client(app: Flask) -> UserClient:
    """The first admin, logged in."""
    return UserClient(app, "admin", ADMIN_PASSWORD)


def run_concurrently(count: int, *calls: Callable[[], _Answered]) -> list[_Answered]:
    """Make calls in threads that set off together: `count` in all, the given ones in turn."""
    ready = threading.Barrier(count)

    def call(index: int) -> _Answered:
        ready.wait()
        return calls[index % len(calls)]()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def container_of(app: Flask) -> Container:
    """What an application was wired from."""
    with app.app_context():
        return container()


def encode_image(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture as a file of this format."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def run_python(code: str) -> str:
    """Run code in a fresh interpreter from the project's folder; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

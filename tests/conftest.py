"""Shared fixtures and helpers: real digits, and applications on real databases."""

import gc
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

from app import bootstrap
from app.api.http.container import Container, container
from app.factory import create_app
from app.imaging.decoding import encode_png
from app.onnx_runtime import open_session
from app.services.reviews import attention_checks
from app.store.engine.db import dispose_engines
from app.training.datasets import MNIST, load_base_sets
from app.training.evaluation_sets import EvaluationSet, plain_set
from config import Config
from tests.support.once_per_run import Arrays, once_per_run
from tests.support.openapi_client import DocumentedClient, build_document_once
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import ROOT, UNLIMITED, Server, serve

SECRETS = {"SECRET_KEY": "s" * 32, "JWT_SECRET_KEY": "j" * 32}
ADMIN_PASSWORD = "the admin's password"
THREAD_END_TIMEOUT_S = 20

_Result = TypeVar("_Result")

# Tests run in parallel, so BLAS gets one thread, and no example of Hypothesis fails for being slow.
threadpool_limits(1, user_api="blas")
hypothesis_settings.register_profile("cifra", deadline=None)
hypothesis_settings.load_profile("cifra")

# Folders and fixtures of tests that start a server, a browser, a database or a training run.
SLOW_FOLDERS = {
    "benchmarks",
    "browser",
    "clients",
    "examples",
    "integration",
    "live",
    "training",
}
FAST_FOLDERS = {("benchmarks", "history")}  # inside of slow ones
SLOW_FIXTURES = {"browser", "disagreements", "postgres_url", "redis", "server"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run every test in its long form")


def pytest_configure() -> None:
    """Collect no garbage while tests are imported: there is little, and each pass takes long."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage from here on, but not what was imported, which stays."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests as slow by folder and fixtures; a module may also mark itself."""
    for item in items:
        folders = item.path.relative_to(ROOT / "tests").parts[:-1]
        fixtures = set(getattr(item, "fixturenames", ()))
        is_slow_folder = folders[0] in SLOW_FOLDERS and folders[:2] not in FAST_FOLDERS
        if is_slow_folder or SLOW_FIXTURES & fixtures:
            item.add_marker("slow")
        if "postgresql" in item.name:
            item.add_marker("slow")
    # Long tests first: otherwise one process may be left with one of them at the end.
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Return whether tests that have a long form run in it."""
    return bool(request.config.getoption("--long"))


@dataclass(frozen=True)
class GoldenSet:
    """The golden set: digit images (n, 28, 28) and labels (n,)."""

    digits: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]

    def png(self, index: int) -> bytes:
        """Return one of the images as a PNG file."""
        return encode_png(self.digits[index])

    def png_of(self, digit: int) -> bytes:
        """Return the first image of a digit as a PNG file."""
        return self.png(int(np.flatnonzero(self.labels == digit)[0]))


@pytest.fixture(scope="session")
def golden() -> GoldenSet:
    with np.load(MNIST) as archive:
        return GoldenSet(archive["x_test"], archive["y_test"])


@dataclass(frozen=True)
class Disagreements:
    """Golden digits on which the bundled models disagree, as PNG files, with all predictions."""

    pngs: list[bytes]
    labels: list[int]
    v1_digits: list[int]
    v2_digits: list[int]

    @property
    def v1_correct(self) -> list[bool]:
        """Whether v1 is correct, for each image."""
        return [one == label for one, label in zip(self.v1_digits, self.labels, strict=True)]

    @property
    def v2_correct(self) -> list[bool]:
        """Whether v2 is correct, for each image."""
        return [one == label for one, label in zip(self.v2_digits, self.labels, strict=True)]


@pytest.fixture(scope="session")
def golden_exam(tmp_path_factory: pytest.TempPathFactory) -> EvaluationSet:
    """Return the golden set as served models see it."""

    def preprocess() -> Arrays:
        return vars(plain_set("golden", load_base_sets().golden))

    return EvaluationSet(**once_per_run(tmp_path_factory, "golden", preprocess))


@pytest.fixture(scope="session")
def golden_probabilities(
    golden_exam: EvaluationSet, tmp_path_factory: pytest.TempPathFactory
) -> Arrays:
    """Return the bundled models' probabilities for the golden set, (n, 10) by version."""

    def infer() -> Arrays:
        return {
            version: golden_exam.probabilities(
                open_session((ROOT / "models" / f"{version}.onnx").read_bytes())
            )
            for version in ("v1", "v2")
        }

    return once_per_run(tmp_path_factory, "golden_probabilities", infer)


@pytest.fixture(scope="session")
def disagreements(golden: GoldenSet, golden_probabilities: Arrays) -> Disagreements:
    v1, v2 = (golden_probabilities[version].argmax(axis=1) for version in ("v1", "v2"))
    where = np.flatnonzero(v1 != v2)
    return Disagreements(
        [golden.png(int(index)) for index in where],
        *([int(each) for each in of[where]] for of in (golden.labels, v1, v2)),
    )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server without rate limits, shared by all tests that need no other."""
    with serve(tmp_path_factory.mktemp("served"), **UNLIMITED) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Run a real PostgreSQL, from a pip package, and return its URL."""
    postgres = PostgresServer()
    yield postgres.url
    postgres.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of an empty database, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/app.db"
        return
    with postgres_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@contextmanager
def postgres_database(
    postgres_url: str, template: str = "template1", name: str | None = None
) -> Iterator[str]:
    """Create a PostgreSQL database, empty or a copy of a template, and drop it at the end."""
    name = name or f"cifra_{uuid4().hex}"
    engine = create_engine(
        _with_driver(postgres_url), isolation_level="AUTOCOMMIT", pool_pre_ping=True
    )
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
    """Return the name of a database with all tables, the models and the first admin, to copy."""
    with postgres_database(postgres_url) as url:
        with TemporaryDirectory() as folder:
            _bootstrap(make_config(Path(folder), DATABASE_URL=url))
        yield str(make_url(url).database)


def make_config(tmp_path: Path, **more: str) -> Config:
    """Return the configuration of an application in this folder."""
    defaults = {"DATA_DIR": str(tmp_path), "BCRYPT_ROUNDS": "4", "ADMIN_PASSWORD": ADMIN_PASSWORD}
    return Config.from_env(SECRETS | defaults | more)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return make_config(tmp_path, RATELIMIT_ENABLED="false")


@pytest.fixture(autouse=True)
def _without_attention_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show no attention checks to reviewers in this process unless a test enables them."""
    monkeypatch.setattr(attention_checks, "ATTENTION_CHECK_RATE", 0)


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """Create an application on a temporary SQLite database, set up as on a first start."""
    with bootstrapped_app(config) as application:
        yield application


@pytest.fixture(params=["sqlite", "postgresql"])
def app_on_each(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """Create an application set up as on a first start, on SQLite and on PostgreSQL."""
    with ExitStack() as stack:
        more = {"RATELIMIT_ENABLED": "false"}
        if request.param == "postgresql":
            postgres_url = request.getfixturevalue("postgres_url")
            template = request.getfixturevalue("postgres_template")
            more["DATABASE_URL"] = stack.enter_context(postgres_database(postgres_url, template))
        yield stack.enter_context(bootstrapped_app(make_config(tmp_path, **more)))


@contextmanager
def opened_app(config: Config) -> Iterator[Flask]:
    """Create an application; stop its background threads and close its connections at the end."""
    app = create_app(config)
    try:
        yield app
    finally:
        _close(app)


def _close(app: Flask) -> None:
    """Stop the background threads of an application and close its connections.

    A thread that ends late would open another connection, which nobody closes.
    """
    with app.app_context():
        parts = container()
        for worker in (
            parts.housekeeping,
            parts.retrain_worker,
            parts.retention_worker,
            parts.mail_worker,
        ):
            worker.stop(THREAD_END_TIMEOUT_S)
        parts.decoder_pool.close()
        dispose_engines()


def _bootstrap(config: Config) -> None:
    """Set up a database as on a first start."""
    with opened_app(config) as app, app.app_context():
        bootstrap.prepare(config, container().hasher)


@cache
def _bootstrapped_sqlite() -> bytes:
    """Return an SQLite file as after a first start; setting one up takes longer than most tests."""
    with TemporaryDirectory() as folder:
        _bootstrap(make_config(Path(folder)))
        return (Path(folder) / "app.db").read_bytes()


@contextmanager
def bootstrapped_app(config: Config) -> Iterator[Flask]:
    """Create an application set up as on a first start; stop its workers at the end."""
    if config.database_file is not None and not config.database_file.exists():
        config.database_file.write_bytes(_bootstrapped_sqlite())
    with opened_app(config) as app:
        app.test_client_class = DocumentedClient
        build_document_once(app)
        with app.app_context():
            bootstrap.prepare(config, container().hasher)
        yield app


class UserClient:
    """A logged-in user of an application in this process."""

    def __init__(self, app: Flask, username: str, password: str) -> None:
        self.app = app
        self.client: FlaskClient = app.test_client()
        response = self.client.post("/login", json={"username": username, "password": password})
        assert response.status_code == 200, response.text
        self.tokens: dict[str, str] = response.get_json()

    def call(self, method: str, path: str, **kwargs: Any) -> TestResponse:
        """Send one request with the access token."""
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        return self.app.test_client().open(path, method=method, headers=headers, **kwargs)

    def predict(self, route: str, image: bytes) -> TestResponse:
        """Post an image to /api/<route>/predict, as a raw body."""
        return self.call("POST", f"/api/{route}/predict", data=image, content_type="image/png")


def register_user(app: Flask, username: str) -> UserClient:
    """Register a user and log in."""
    password = f"password of {username}"
    body = {"username": username, "password": password}
    assert app.test_client().post("/register", json=body).status_code == 201
    return UserClient(app, username, password)


def admin_client(app: Flask) -> UserClient:
    """Log in as the first admin."""
    return UserClient(app, "admin", ADMIN_PASSWORD)


def run_concurrently(count: int, *calls: Callable[[], _Result]) -> list[_Result]:
    """Run `count` calls in threads that start together, cycling through the given ones."""
    ready = threading.Barrier(count, timeout=60)

    def call(index: int) -> _Result:
        ready.wait()
        return calls[index % len(calls)]()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def container_of(app: Flask) -> Container:
    """Return the container of an application."""
    with app.app_context():
        return container()


def encode_image(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    """Return an image as a file of this format."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def run_python(code: str) -> str:
    """Run code in a new interpreter from the project's folder; return what it prints."""
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

"""The ways to serve Cifra, each under load, with a retrain running and, in one, dashboards."""

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from PIL import Image
from socketio.exceptions import ConnectionError as SocketError

from app.training.datasets import load_base_sets
from benchmarks.chaos.load_clients import image_files
from benchmarks.chaos.services import Service
from tests.conftest import SECRETS, make_config, opened_app
from tests.support.live_client import LiveClient, connect_live, wait_until
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.review_data import create_submitters, label_images
from tests.support.server_process import EMBEDDED, HTTP_TIER, UNLIMITED, Client

CLIENTS = 4
LABELS = 30  # enough to start a retrain
WORKER = (sys.executable, "-m", "flask", "--app", "wsgi", "worker")
LONG_RETRAIN = {"RETRAIN_STEPS": "10000"}  # it outlasts the deaths
MAX_PROBE_S = 5.0


@dataclass(frozen=True)
class Setup:
    """A way to serve: more than one worker needs Redis, and then a retrain worker."""

    name: str
    command: Sequence[str]
    workers: int = 1
    on_postgres: bool = False
    has_live_service: bool = False


SETUPS = (
    Setup("gunicorn, SQLite", EMBEDDED),
    Setup("granian, SQLite", HTTP_TIER),
    Setup("gunicorn, 2 workers, PostgreSQL, Redis", EMBEDDED, workers=2, on_postgres=True),
    Setup("granian, 2 workers, SQLite, Redis", HTTP_TIER, workers=2, has_live_service=True),
)


@dataclass
class Deployment:
    """The running services of a setup, with clients of them."""

    server: Service
    retrains: Service  # the service whose child trains
    clients: list[Client]
    admin: Client
    files: Sequence[bytes]
    live: Service | None = None
    dashboard: LiveClient | None = None
    _job_id: int = field(default=0, init=False)

    @property
    def services(self) -> list[Service]:
        """Return each service once."""
        services = [self.server, self.live]
        if self.retrains is not self.server:
            services.append(self.retrains)
        return [each for each in services if each is not None]

    def can_predict(self) -> bool:
        """Return whether a client gets a prediction."""
        with suppress(requests.RequestException):
            answer = requests.post(
                f"{self.server.server.url}/api/ab/predict",
                files={"file": ("digit.jpg", self.files[0])},
                headers={"Authorization": self.admin.headers["Authorization"]},
                timeout=MAX_PROBE_S,
            )
            return answer.status_code == 200
        return False

    def wait_for_training(self) -> None:
        """Wait until a training process runs; request a retrain whenever none is open."""

        def is_training() -> bool:
            if self.job_status() not in {"queued", "running"}:
                self._request_retrain()
            return self.is_training()

        wait_until(is_training, "the training")

    def _request_retrain(self) -> None:
        with suppress(requests.RequestException):
            answer = self.admin.call("POST", "/admin/retrain", json={"deploy": "manual"})
            answer.raise_for_status()
            self._job_id = answer.json()["job_id"]

    def is_training(self) -> bool:
        """Return whether a training process of the retrain runs."""
        return bool(self.retrains.children("app.training.retrain"))

    def job_status(self) -> str:
        """Return the status of the retrain; "" if none was requested yet or nobody answers."""
        with suppress(requests.RequestException):
            if self._job_id:
                answer = self.admin.call("GET", f"/admin/retrain/{self._job_id}")
                return str(answer.json()["status"])
        return ""


@contextmanager
def deploy(setup: Setup) -> Iterator[Deployment]:
    """Run the services of a setup until the block ends."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        data_dir = Path(folder) / "data"
        settings = _start_databases(stack, setup, Path(folder))
        server = _start(stack, setup.command, data_dir, settings)
        server.server.wait()
        _label(data_dir, settings)
        deployment = Deployment(
            server,
            retrains=_start(stack, WORKER, data_dir, settings) if setup.workers > 1 else server,
            clients=[server.server.register(f"client {number}") for number in range(CLIENTS)],
            admin=server.server.admin_client(),
            files=_jpegs(),
        )
        if setup.has_live_service:
            live = settings | {"ROLE": "live", "WEB_WORKERS": "1"}
            deployment.live = _start(stack, EMBEDDED, data_dir, live)
            deployment.live.server.wait()
            deployment.dashboard = _connect_dashboard(stack, deployment)
        yield deployment


def _start_databases(stack: ExitStack, setup: Setup, folder: Path) -> dict[str, str]:
    """Start PostgreSQL and Redis if they are needed; return the settings of all services."""
    settings = UNLIMITED | LONG_RETRAIN | {"WEB_WORKERS": str(setup.workers)}
    if setup.on_postgres:
        postgres = PostgresServer()
        stack.callback(postgres.stop)
        settings |= {**SECRETS, "DATABASE_URL": postgres.url}
    if setup.workers > 1:
        redis = RedisServer(folder)
        stack.callback(redis.kill)
        settings["REDIS_URL"] = redis.url
    return settings


def _start(
    stack: ExitStack, command: Sequence[str], data_dir: Path, settings: Mapping[str, str]
) -> Service:
    service = Service(command, data_dir, **settings)
    stack.callback(service.stop)
    return service


def _connect_dashboard(stack: ExitStack, deployment: Deployment) -> LiveClient:
    """Return a dashboard that connects again whenever it lost its connection."""
    assert deployment.live is not None
    url, token = deployment.live.server.url, deployment.admin.tokens["access_token"]

    def connect() -> LiveClient | None:
        with suppress(SocketError):
            return stack.enter_context(connect_live(url, token, reconnect=True))
        return None

    dashboard = wait_until(connect, "the live service")
    assert isinstance(dashboard, LiveClient)
    return dashboard


@cache
def _jpegs() -> list[bytes]:
    """Return golden digits as files that only a decoder process reads."""
    files = []
    for png in image_files():
        file = io.BytesIO()
        Image.open(io.BytesIO(png)).resize((112, 112)).save(file, "JPEG", quality=95)
        files.append(file.getvalue())
    return files


def _label(data_dir: Path, settings: Mapping[str, str]) -> None:
    """Label enough images for a retrain."""
    training = load_base_sets().training
    with opened_app(make_config(data_dir, **settings)) as app:
        images, labels = list(training.digits[:LABELS]), training.labels[:LABELS].tolist()
        label_images(app, images, labels, create_submitters(app, 2))

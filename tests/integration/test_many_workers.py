"""Many workers on PostgreSQL and Redis share limits, tokens, models, live events and retrains."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from app.training.datasets import load_base_sets
from tests.conftest import SECRETS, GoldenSet, make_config, opened_app, postgres_database
from tests.support.cli import start_flask
from tests.support.live_client import connect_live, wait_until
from tests.support.preloaded import PreloadedProcess
from tests.support.redis_server import RedisServer
from tests.support.review_data import create_submitters, label_images
from tests.support.server_process import EMBEDDED, HTTP_TIER, QUICK, Client, Server, serve

WORKERS = 2


class SharedServices:
    """A database and a Redis that all processes share, and the settings that name them."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder, self.redis = folder, RedisServer(folder)
        self.settings = {
            **SECRETS,
            **QUICK,
            "DATABASE_URL": database_url,
            "REDIS_URL": self.redis.url,
            "WEB_WORKERS": str(WORKERS),
            "RATELIMIT_V2": "40 per day",
            "RATELIMIT_DEFAULT": "100000 per day",
            "RATELIMIT_LOGIN": "100000 per day",
        }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[SharedServices]:
    folder = tmp_path_factory.mktemp("place")
    with postgres_database(postgres_url) as url:
        made = SharedServices(folder, url)
        yield made
        made.redis.resume()
        made.redis.kill()


@pytest.fixture(scope="module")
def tier(shared: SharedServices) -> Iterator[Server]:
    with serve(shared.folder / "tier", HTTP_TIER, **shared.settings) as running:
        yield running


def predict_concurrently(client: Client, golden: GoldenSet, route: str, count: int) -> list[int]:
    """Post images from eight threads, each on new connections; returns the status codes."""

    def post(index: int) -> int:
        headers = {"Connection": "close", "Authorization": client.headers["Authorization"]}
        files = {"file": ("digit.png", golden.png(index))}
        answer = client.post(
            f"{client.url}/api/{route}/predict", files=files, headers=headers, timeout=30
        )
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(post, range(count)))


def test_both_workers_serve(tier: Server, golden: GoldenSet) -> None:
    ana = tier.register("ana")
    workers = psutil.Process(tier.process.pid).children()  # not their decoders
    before = {each.pid: sum(each.cpu_times()[:2]) for each in workers}
    assert predict_concurrently(ana, golden, "ab", 400) == [200] * 400
    busy = [each for each in workers if sum(each.cpu_times()[:2]) > before[each.pid] + 0.05]
    assert len(busy) == WORKERS


def test_a_limit_is_counted_once_for_all_workers(tier: Server, golden: GoldenSet) -> None:
    statuses = predict_concurrently(tier.register("ben"), golden, "v2", 60)
    assert (statuses.count(200), statuses.count(429)) == (40, 20)


def test_a_revoked_token_is_refused_by_every_worker_within_two_seconds(
    tier: Server, golden: GoldenSet
) -> None:
    cleo = tier.register("cleo")
    assert predict_concurrently(cleo, golden, "ab", 40) == [200] * 40
    assert cleo.call("POST", "/logout").status_code == 200
    time.sleep(2)
    assert predict_concurrently(cleo, golden, "ab", 40) == [401] * 40


def test_a_deployment_reaches_every_worker_within_two_seconds(
    tier: Server, golden: GoldenSet
) -> None:
    admin, dora = tier.admin_client(), tier.register("dora")
    models = admin.call("GET", "/admin/models").json()["models"]
    other = next(model for model in models if "v1" in model["deployed_as"])
    deployed = admin.call("POST", f"/admin/models/{other['id']}/deploy", json={"version": "v2"})
    assert deployed.status_code == 201
    time.sleep(2)
    hashes = {dora.predict("v2", golden.png(0)).json()["model"]["hash"] for _ in range(30)}
    assert admin.call("POST", "/admin/versions/v2/rollback").status_code == 201
    assert hashes == {other["hash"]}


def test_without_redis_predictions_continue_and_admins_are_alerted(
    tier: Server, shared: SharedServices, golden: GoldenSet
) -> None:
    admin, emil = tier.admin_client(), tier.register("emil")
    for stop, start in (
        (shared.redis.kill, shared.redis.start),
        (shared.redis.pause, shared.redis.resume),
    ):
        stop()
        started_at_s = time.monotonic()
        assert predict_concurrently(emil, golden, "ab", 40) == [200] * 40
        assert time.monotonic() - started_at_s < 20
        start()
    alerts = wait_until(lambda: alert_messages(admin, "rate limits"), "the alert")
    assert alerts == ["Redis unavailable: each process counts rate limits on its own"]
    time.sleep(2.5)
    predict_concurrently(emil, golden, "ab", 20)
    statuses = predict_concurrently(tier.register("frida"), golden, "v2", 60)
    assert (statuses.count(200), statuses.count(429)) == (40, 20)


def alert_messages(admin: Client, kind: str) -> list[str]:
    alerts = admin.call("GET", "/admin/alerts").json()["alerts"]
    return [alert["message"] for alert in alerts if alert["kind"] == kind]


def test_dashboards_on_any_worker_receive_every_event(
    tier: Server, shared: SharedServices, golden: GoldenSet
) -> None:
    with serve(shared.folder / "live", EMBEDDED, **shared.settings) as live, ExitStack() as stack:
        admin = live.admin_client_of(tier.data_dir)
        token = admin.tokens["access_token"]
        dashboards = [stack.enter_context(connect_live(live.url, token)) for _ in range(8)]
        for dashboard in dashboards:
            dashboard.wait_for("traffic")
        before = admin.call("GET", "/admin/report").json()["versions"]["v1"]["served"]
        admin.predict("v1", golden.png(0))

        def served() -> list[int]:
            return [each.received("traffic")[-1]["versions"]["v1"]["served"] for each in dashboards]

        wait_until(lambda: served() == [before + 1] * 8, "all dashboards")


@contextmanager
def run_worker(shared: SharedServices) -> Iterator[PreloadedProcess]:
    """Run a worker, as `make worker` starts it."""
    folder = shared.folder / "worker"
    folder.mkdir(exist_ok=True)
    settings = {"PATH": "/usr/bin:/bin", "DATA_DIR": str(folder), **shared.settings}
    worker = start_flask(settings, folder / "log", "worker")
    try:
        yield worker
    finally:
        worker.terminate()
        assert worker.wait(30) == 0, (folder / "log").read_text()


def test_a_retrain_job_runs_on_a_worker_and_on_no_server(
    tier: Server, shared: SharedServices
) -> None:
    training = load_base_sets().training
    with opened_app(
        make_config(shared.folder / "tier", DATABASE_URL=shared.settings["DATABASE_URL"])
    ) as app:
        label_images(
            app,
            list(training.digits[:30]),
            training.labels[:30].tolist(),
            create_submitters(app, 2),
        )
    admin = tier.admin_client()
    accepted = admin.call("POST", "/admin/retrain", json={"deploy": "manual"})
    assert accepted.status_code == 202

    def status() -> str:
        return str(admin.call("GET", accepted.headers["Location"]).json()["status"])

    time.sleep(3)
    assert status() == "queued"
    with run_worker(shared):
        wait_until(lambda: status() == "running", "a worker")
        admin.call("POST", f"{accepted.headers['Location']}/cancel")
        wait_until(lambda: status() == "cancelled", "the end")

"""Many workers on PostgreSQL and Redis: limits, tokens, models, sockets and retrains are one."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from app.training.datasets import load_base_sets
from tests.conftest import SECRETS, GoldenSet, make_config, postgres_database, second_app
from tests.support.live_client import listening, wait_until
from tests.support.redis_server import RedisServer
from tests.support.review_data import label, submitters
from tests.support.server_process import EMBEDDED, HTTP_TIER, QUICK, ROOT, Client, Server, serve

WORKERS = 2


class Place:
    """A database and a Redis that everything shares, and what a server there is told of them."""

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
def place(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    with postgres_database(postgres_url) as url:
        made = Place(folder, url)
        yield made
        made.redis.go_on()
        made.redis.kill()


@pytest.fixture(scope="module")
def tier(place: Place) -> Iterator[Server]:
    with serve(place.folder / "tier", HTTP_TIER, **place.settings) as running:
        yield running


def all_at_once(client: Client, golden: GoldenSet, route: str, count: int) -> list[int]:
    """Post pictures from eight threads, each on connections of its own; returns the statuses."""

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
    workers = psutil.Process(tier.process.pid).children(recursive=True)
    before = {each.pid: sum(each.cpu_times()[:2]) for each in workers}
    assert all_at_once(ana, golden, "ab", 400) == [200] * 400
    busy = [each for each in workers if sum(each.cpu_times()[:2]) > before[each.pid] + 0.05]
    assert len(busy) == WORKERS


def test_a_limit_is_counted_once_for_all_workers(tier: Server, golden: GoldenSet) -> None:
    statuses = all_at_once(tier.register("ben"), golden, "v2", 60)
    assert (statuses.count(200), statuses.count(429)) == (40, 20)


def test_a_revoked_token_is_refused_by_every_worker_within_two_seconds(
    tier: Server, golden: GoldenSet
) -> None:
    cleo = tier.register("cleo")
    assert all_at_once(cleo, golden, "ab", 40) == [200] * 40
    assert cleo.call("POST", "/logout").status_code == 200
    time.sleep(2)
    assert all_at_once(cleo, golden, "ab", 40) == [401] * 40


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


def test_without_redis_predictions_go_on_and_admins_are_told(
    tier: Server, place: Place, golden: GoldenSet
) -> None:
    admin, emil = tier.admin_client(), tier.register("emil")
    for stop, start in (
        (place.redis.kill, place.redis.start),
        (place.redis.pause, place.redis.go_on),
    ):
        stop()
        begun_s = time.monotonic()
        assert all_at_once(emil, golden, "ab", 40) == [200] * 40
        assert time.monotonic() - begun_s < 20
        start()
    alerts = wait_until(lambda: told(admin, "rate limits"), "the alert")
    assert alerts == ["Redis unavailable: each process counts rate limits on its own"]
    time.sleep(2.5)
    all_at_once(emil, golden, "ab", 20)
    statuses = all_at_once(tier.register("frida"), golden, "v2", 60)
    assert (statuses.count(200), statuses.count(429)) == (40, 20)


def told(admin: Client, kind: str) -> list[str]:
    alerts = admin.call("GET", "/admin/alerts").json()["alerts"]
    return [alert["message"] for alert in alerts if alert["kind"] == kind]


def test_dashboards_on_any_worker_hear_everything(place: Place, golden: GoldenSet) -> None:
    with serve(place.folder / "live", EMBEDDED, **place.settings) as live, ExitStack() as stack:
        admin = live.admin_client_of(place.folder / "tier")
        token = admin.tokens["access_token"]
        dashboards = [stack.enter_context(listening(live.url, token)) for _ in range(8)]
        for dashboard in dashboards:
            dashboard.wait_for("traffic")
        before = admin.call("GET", "/admin/report").json()["versions"]["v1"]["served"]
        admin.predict("v1", golden.png(0))

        def served() -> list[int]:
            return [each.all("traffic")[-1]["versions"]["v1"]["served"] for each in dashboards]

        wait_until(lambda: served() == [before + 1] * 8, "all dashboards")


@contextmanager
def working(place: Place) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker, as `make worker` starts it."""
    folder = place.folder / "worker"
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "worker"],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "DATA_DIR": str(folder), **place.settings},
            stdout=log,
            stderr=log,
        )
        try:
            yield worker
        finally:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0, (folder / "log").read_text()


def test_a_retrain_is_trained_by_a_worker_and_by_no_server(tier: Server, place: Place) -> None:
    training = load_base_sets().training
    with second_app(
        make_config(place.folder / "tier", DATABASE_URL=place.settings["DATABASE_URL"])
    ) as app:
        label(app, list(training.digits[:30]), training.labels[:30].tolist(), submitters(app, 2))
    admin = tier.admin_client()
    asked = admin.call("POST", "/admin/retrain", json={"deploy": "manual"})
    assert asked.status_code == 202

    def status() -> str:
        return str(admin.call("GET", asked.headers["Location"]).json()["status"])

    time.sleep(3)
    assert status() == "queued"
    with working(place):
        wait_until(lambda: status() == "running", "a worker")
        admin.call("POST", f"{asked.headers['Location']}/cancel")
        wait_until(lambda: status() == "cancelled", "the end")

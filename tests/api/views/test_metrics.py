"""Metrics for Prometheus: equal to the report, bounded, and served without the database."""

import time
from pathlib import Path

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from app.domain.predictions import SHORT_HASH_LENGTH
from app.imaging.preprocessing import preprocess
from app.services.monitoring.metrics_snapshot import MAX_AGE_S
from app.version import VERSION
from tests.conftest import (
    Disagreements,
    GoldenSet,
    admin_client,
    bootstrapped_app,
    make_config,
    opened_app,
    register_user,
)
from tests.support.live_client import LiveClient, wait_until
from tests.support.review_data import create_submitters, label_images
from tests.support.server_process import UNLIMITED, Server, serve

HTTP = "cifra_http_requests_total"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse_samples(text: str) -> Samples:
    """Return every sample of a scrape by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def sample_value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0)


def scrape(client: FlaskClient) -> Samples:
    """Scrape an application after its cached snapshot has expired."""
    time.sleep(MAX_AGE_S)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return parse_samples(answer.text)


def scrape_server(server: Server) -> Samples:
    time.sleep(MAX_AGE_S)
    answer = requests.get(f"{server.url}/metrics", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return parse_samples(answer.text)


@pytest.mark.slow
def test_a_server_counts_requests_and_predictions(tmp_path: Path, golden: GoldenSet) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        ana = server.register("ana")
        before = scrape_server(server)
        for number, route in enumerate(["v1", "v2", "v2"]):
            assert ana.predict(route, golden.png(number)).status_code == 200
        assert ana.predict("v2", b"no image").status_code == 415
        after = scrape_server(server)

        def grown(name: str, **labels: str) -> float:
            return sample_value(after, name, **labels) - sample_value(before, name, **labels)

        posted = {"method": "POST", "route": "/api/v2/predict"}
        assert grown(HTTP, status="200", **posted) == 2
        assert grown(HTTP, status="415", **posted) == 1
        assert grown("cifra_http_request_duration_seconds_count", **posted) == 3
        assert grown("cifra_http_request_duration_seconds_bucket", le="+Inf", **posted) == 3
        assert grown("cifra_http_request_duration_seconds_sum", **posted) > 0
        for version, served in (("v1", 1), ("v2", 2)):
            assert grown("cifra_predictions_total", version=version) == served
            timed = "cifra_prediction_duration_seconds"
            assert grown(f"{timed}_count", version=version) == served
            assert grown(f"{timed}_bucket", version=version, le="+Inf") == served
            assert 0 < grown(f"{timed}_sum", version=version) < served
        assert sample_value(after, "cifra_database_up") == 1
        models = {
            dict(labels)["version"]: dict(labels)["sha256"][:SHORT_HASH_LENGTH]
            for name, labels in after
            if name == "cifra_model_info"
        }
        listed = server.admin_client().call("GET", "/admin/models").json()["models"]
        assert models == {
            version: each["hash"] for each in listed for version in each["deployed_as"]
        }
        assert any(
            name == "cifra_build_info" and ("version", VERSION) in labels for name, labels in after
        )
        assert sample_value(after, "process_resident_memory_bytes") > 10_000_000


def test_database_metrics_match_the_report(
    app_on_each: Flask, disagreements: Disagreements
) -> None:
    admin, ana = admin_client(app_on_each), register_user(app_on_each, "ana")
    for png in disagreements.pngs[:3]:
        made = ana.predict("ab", png).get_json()
        feedback = {"prediction_id": made["prediction_id"], "correct": True}
        assert ana.call("POST", "/feedback", json=feedback).status_code == 201
    assert (
        ana.call("POST", "/feedback", json={"prediction": 1, "correct": False}).status_code == 201
    )
    senders = create_submitters(app_on_each, 1)
    digits = [preprocess(png).digit for png in disagreements.pngs[3:11]]
    label_images(app_on_each, digits, disagreements.labels[3:11], senders)
    found = scrape(app_on_each.test_client())
    report = admin.call("GET", "/admin/report").get_json()
    experiment = report["experiment"]
    assert experiment["labels"]["discordant"] > 0
    assert sample_value(found, "cifra_disagreements_total") == experiment["disagreements"] > 0
    assert sample_value(found, "cifra_experiment_requests") == experiment["requests"] == 11
    assert sample_value(found, "cifra_experiment_e_value") == experiment["e_value"]
    assert sample_value(found, "cifra_experiment_verdict", verdict=experiment["verdict"]) == 1
    assert sum(n for (name, _), n in found.items() if name == "cifra_experiment_verdict") == 1
    for kind, count in experiment["labels"].items():
        assert sample_value(found, "cifra_experiment_labels", kind=kind) == count
    for version, its in report["versions"].items():
        assert sample_value(found, "cifra_predictions_total", version=version) == its["served"]
        for correct, count in (
            ("true", its["correct"]),
            ("false", its["feedback_count"] - its["correct"]),
        ):
            by = {"version": version, "correct": correct}
            assert sample_value(found, "cifra_feedback", **by) == count
    assert sample_value(found, "cifra_feedback", version="none", correct="false") == 1
    queue = admin.call("GET", "/admin/review").get_json()
    parts = [n for (name, _), n in found.items() if name == "cifra_review_queue"]
    assert sum(parts) == queue["pending"] > 0


def test_waiting_jobs_and_mail_are_gauges(app: Flask, golden: GoldenSet) -> None:
    admin = admin_client(app)
    assert admin.call("PATCH", "/me", json={"email": "a@b.org"}).status_code == 200
    label_images(app, golden.digits[:25], golden.labels[:25], create_submitters(app, 1))
    assert admin.call("POST", "/admin/retrain").status_code == 202
    job = admin.call("GET", "/admin/retrain").get_json()["jobs"][0]["id"]
    assert admin.call("POST", f"/admin/retrain/{job}/cancel").status_code == 200
    found = scrape(app.test_client())
    jobs = {
        dict(by)["status"]: n for (name, by), n in found.items() if name == "cifra_retrain_jobs"
    }
    assert sum(jobs.values()) == 1
    assert set(jobs) == {
        *("queued", "running", "deployed", "ready", "rejected", "failed", "cancelled")
    }
    assert ("cifra_outbox_pending", frozenset()) in found
    assert sample_value(found, "cifra_live_connections") == 0
    assert sample_value(found, "cifra_ratelimit_fallback_in_use") == 0
    assert sample_value(found, "cifra_database_connections", state="idle") >= 1


def test_open_live_connections_are_counted(server: Server) -> None:
    def open_now() -> float:
        answer = requests.get(f"{server.url}/metrics", timeout=30)
        return sample_value(parse_samples(answer.text), "cifra_live_connections")

    before = open_now()
    listener = LiveClient(server.url, server.admin_client().tokens["access_token"])
    try:
        assert open_now() == before + 1
    finally:
        listener.sio.disconnect()
    wait_until(lambda: open_now() == before, "the end of the connection")


def test_client_input_creates_no_new_series(app: Flask) -> None:
    client = app.test_client()
    client.get("/metrics")
    before = set(scrape(client))
    for number in range(20):
        assert client.get(f"/nowhere/{number}?a={number}").status_code == 404
        assert client.open(f"/predictions/{number}", method=f"METHOD{number}").status_code == 404
        headers = {"X-Request-ID": f"id-{number}", "User-Agent": f"agent {number}"}
        assert client.get("/livez", headers=headers).status_code == 200
    added = {
        (dict(labels)["route"], dict(labels)["method"])
        for name, labels in set(scrape(client)) - before
        if name == HTTP
    }
    assert added == {("unmatched", "GET"), ("unmatched", "other"), ("/livez", "GET")}


def test_process_metrics_are_served_without_a_database(tmp_path: Path) -> None:
    with opened_app(make_config(tmp_path, DATABASE_URL="sqlite:////no/such/folder.db")) as app:
        client = app.test_client()
        assert client.get("/readyz").status_code == 503
        answer = client.get("/metrics")
    assert answer.status_code == 200
    found = parse_samples(answer.text)
    request_labels = {"method": "GET", "route": "/readyz", "status": "503"}
    assert found["cifra_database_up", frozenset()] == 0
    assert sample_value(found, HTTP, **request_labels) == 1
    assert not any(name.startswith("cifra_predictions") for name, _ in found)


def test_scrapes_are_unlimited_and_contain_no_usernames(tmp_path: Path, golden: GoldenSet) -> None:
    with bootstrapped_app(make_config(tmp_path, RATELIMIT_DEFAULT="2 per hour")) as app:
        register_user(app, "ana-of-the-long-name").predict("v2", golden.png(0))
        answers = [app.test_client().get("/metrics") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert "ana-of-the-long-name" not in answers[-1].text


def test_openmetrics_is_served_on_request(app: Flask) -> None:
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = app.test_client().get("/metrics", headers=headers)
    assert answer.content_type.startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics_families(answer.text)}
    assert {"cifra_http_requests", "cifra_predictions", "cifra_prediction_duration_seconds"} < names


def test_applications_in_one_process_count_separately(app: Flask, tmp_path: Path) -> None:
    with bootstrapped_app(make_config(tmp_path / "other")) as other:
        other.test_client().get("/livez")
        request_labels = {"method": "GET", "route": "/livez", "status": "200"}
        counted = [
            sample_value(scrape(each.test_client()), HTTP, **request_labels)
            for each in (app, other)
        ]
    assert counted == [0, 1]

"""Which events are sent to which clients, over real sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.services.notifications import alerts
from tests.conftest import GoldenSet, make_config, opened_app
from tests.support.live_client import LiveClient, connect_live, wait_until
from tests.support.server_process import UNLIMITED, Client, Server, serve


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path, **UNLIMITED) as running:
        yield running


@pytest.fixture
def dashboard(server: Server) -> Iterator[LiveClient]:
    with connect_live(server.url, server.admin_client().tokens["access_token"]) as client:
        yield client


def predict_and_confirm(ana: Client, image: bytes) -> str:
    """Send an image, confirm the prediction, and return its id."""
    prediction_id: str = ana.predict("ab", image).json()["prediction_id"]
    feedback = {"prediction_id": prediction_id, "correct": True}
    assert ana.call("POST", "/feedback", json=feedback).status_code == 201
    return prediction_id


def test_an_admin_receives_traffic_feedback_and_experiment_events(
    server: Server, dashboard: LiveClient, golden: GoldenSet
) -> None:
    predict_and_confirm(server.register("ana"), golden.png(0))
    traffic = dashboard.wait_for("traffic", requests=1)
    assert sum(each["served"] for each in traffic["versions"].values()) == 1
    assert dashboard.wait_for("feedback", total_feedback=1)["correct_feedback"] == 1
    experiment_traffic = dashboard.wait_for("experiment")
    wait_until(
        lambda: dashboard.received("experiment")[-1]["experiment"]["requests"] == 1, "the request"
    )
    report = server.admin_client().call("GET", "/admin/report").json()
    assert experiment_traffic.keys() == report.keys() - dashboard.received("feedback")[0].keys() | {
        "versions"
    }
    assert dashboard.received("experiment")[-1]["experiment"] == report["experiment"]


def test_a_joining_admin_receives_traffic_at_once(server: Server, dashboard: LiveClient) -> None:
    assert dashboard.wait_for("traffic", requests=0, pending_reviews=0)
    with connect_live(server.url, server.admin_client().tokens["access_token"]) as second:
        assert second.wait_for("traffic", requests=0, pending_reviews=0)


def test_many_predictions_become_few_events(
    server: Server, dashboard: LiveClient, golden: GoldenSet
) -> None:
    ana = server.register("ana")
    for _ in range(200):
        assert ana.predict("ab", golden.png(0)).status_code == 200
    dashboard.wait_for("traffic", requests=200)
    assert len(dashboard.received("traffic")) < 100
    assert len(dashboard.received("experiment")) < 100


def test_an_admin_receives_deployment_events(server: Server, dashboard: LiveClient) -> None:
    admin = server.admin_client()
    models = admin.call("GET", "/admin/models").json()["models"]
    v1 = next(model["id"] for model in models if "v1" in model["deployed_as"])
    made = admin.call("POST", f"/admin/models/{v1}/deploy", json={"version": "v2"}).json()
    assert dashboard.wait_for("deployment", id=made["id"]) == made
    admin.call("POST", "/admin/versions/v2/rollback")
    wait_until(lambda: len(dashboard.received("deployment")) == 2, "the rollback")
    newest = admin.call("GET", "/admin/deployments").json()["deployments"][0]
    assert dashboard.received("deployment")[-1] == newest


def test_a_user_receives_review_results_of_their_own_images_only(
    server: Server, golden: GoldenSet
) -> None:
    ana, ben, admin = server.register("ana"), server.register("ben"), server.admin_client()
    with (
        connect_live(server.url, ana.tokens["access_token"]) as anas,
        connect_live(server.url, ben.tokens["access_token"]) as bens,
    ):
        made = ana.predict("ab", golden.png(0)).json()
        other = (made["prediccion"] + 1) % 10
        feedback = {"prediction_id": made["prediction_id"], "digit": other}
        assert ana.call("POST", "/feedback", json=feedback).status_code == 201
        item = wait_until(
            lambda: admin.call("GET", "/admin/review").json()["item"], "a flagged image"
        )
        assert isinstance(item, dict)
        label = {"digit": made["prediccion"]}
        admin.call("POST", f"/admin/review/{item['prediction_id']}", json=label)
        while item["prediction_id"] != made["prediction_id"]:  # it was an attention check
            item = admin.call("GET", "/admin/review").json()["item"]
            admin.call("POST", f"/admin/review/{item['prediction_id']}", json=label)
        result = anas.wait_for("prediction", prediction_id=made["prediction_id"])
        assert (result["digit"], result["not_a_digit"]) == (made["prediccion"], False)
        assert {event for event, _ in anas.events} == {"prediction"}
        assert bens.events == []


def test_changes_by_another_process_are_sent_too(server: Server, dashboard: LiveClient) -> None:
    with opened_app(make_config(server.data_dir)) as app, app.app_context():
        alerts.create("test", "from elsewhere")
    assert dashboard.wait_for("alert")["message"] == "from elsewhere"

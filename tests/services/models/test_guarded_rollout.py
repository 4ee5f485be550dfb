"""After a deployment the predecessor shadows its successor until one of them is shown better."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from app.domain.assignment import Version
from app.services.models import guarded_rollout, registry
from app.services.retraining import jobs
from app.store.engine.db import write_transaction
from app.store.tables import GuardedRollout
from tests.conftest import (
    Disagreements,
    GoldenSet,
    UserClient,
    admin_client,
    container_of,
    register_user,
)
from tests.services.models.test_registry import another_v2, store_model, v2_becomes
from tests.services.retraining.test_jobs import (
    candidate,
    claim_job,
    complete,
    quiet,
    request_retrain,
)
from tests.services.reviews.test_review_queue import label_all
from tests.support.review_data import create_submitters, label_images

__all__ = ["quiet"]

NOW = datetime.now(UTC)


@pytest.fixture
def admin(app_on_each: Flask, quiet: None) -> UserClient:
    with app_on_each.app_context():
        container_of(app_on_each).inference.reload()
    return admin_client(app_on_each)


@pytest.fixture
def client(app_on_each: Flask) -> UserClient:
    return register_user(app_on_each, "client")


def run_periodic_tasks(app: Flask) -> None:
    """Run the tasks that a server runs every second."""
    with app.app_context():
        guarded_rollout.evaluate_all()
        container_of(app).inference.reload()


def deploy(app: Flask, admin: UserClient, model_id: int, version: str) -> None:
    answer = admin.call("POST", f"/admin/models/{model_id}/deploy", json={"version": version})
    assert answer.status_code == 201, answer.text
    run_periodic_tasks(app)


def list_rollouts(admin: UserClient) -> list[dict[str, object]]:
    found: list[dict[str, object]] = admin.call("GET", "/admin/rollouts").get_json()["rollouts"]
    return found


def send(client: UserClient, pngs: list[bytes], labels: list[int]) -> dict[str, int]:
    """Send images to the A/B endpoint; returns their labels by prediction id."""
    return {
        client.predict("ab", png).get_json()["prediction_id"]: label
        for png, label in zip(pngs, labels, strict=True)
    }


def images_won_by(disagreements: Disagreements, version: Version) -> tuple[list[bytes], list[int]]:
    """Return the images, with labels, that only this version's bundled model predicts correctly."""
    is_right = disagreements.v1_correct if version is Version.V1 else disagreements.v2_correct
    where = [index for index, right in enumerate(is_right) if right]
    return [disagreements.pngs[at] for at in where], [disagreements.labels[at] for at in where]


def test_a_worse_model_is_rolled_back_automatically_with_an_alert(
    app_on_each: Flask,
    admin: UserClient,
    client: UserClient,
    golden: GoldenSet,
    disagreements: Disagreements,
) -> None:
    pngs, labels = images_won_by(disagreements, Version.V2)
    assert len(pngs) >= 15
    deploy(app_on_each, admin, model_id=1, version="v2")
    assert v2_becomes(admin, golden, "cifra-baseline")
    labels_by_id = send(client, pngs, labels)
    [rollout] = list_rollouts(admin)
    assert (rollout["requests"], rollout["disagreements"]) == (len(pngs), len(pngs))
    label_all(admin, labels_by_id)
    run_periodic_tasks(app_on_each)
    assert v2_becomes(admin, golden, "cifra-improved")
    [rollout] = list_rollouts(admin)
    assert (rollout["outcome"], rollout["labels"]) == ("worse", len(pngs))
    [alert] = admin.call("GET", "/admin/alerts").get_json()["alerts"]
    assert alert["kind"] == "rollback"
    last = admin.call("GET", "/admin/deployments").get_json()["deployments"][0]
    assert last["reason"] == "rolled back: proved worse than its predecessor"
    assert (last["user_id"], last["model"]["id"]) == (None, 2)


def test_after_an_automatic_rollback_no_retrained_model_is_deployed_automatically(
    app_on_each: Flask,
    admin: UserClient,
    client: UserClient,
    golden: GoldenSet,
    disagreements: Disagreements,
) -> None:
    deploy(app_on_each, admin, model_id=1, version="v2")
    label_all(admin, send(client, *images_won_by(disagreements, Version.V2)))
    run_periodic_tasks(app_on_each)
    label_images(
        app_on_each, golden.digits[:40], golden.labels[:40], create_submitters(app_on_each, 2)
    )
    request_retrain(admin)
    with app_on_each.app_context():
        job = complete(claim_job(), candidate())
        assert (job.status, job.error) == (
            "ready",
            "a model was rolled back recently: deploy it manually",
        )
    request_retrain(admin, version="v1")
    with app_on_each.app_context():
        assert complete(claim_job(), candidate(name="another")).status == "deployed"


def test_a_rollback_under_a_clock_that_was_ahead_holds_nothing_back(app_on_each: Flask) -> None:
    def closed(after: timedelta) -> bool:
        now = datetime.now(UTC)
        rollout = GuardedRollout(version="v2", model_id=1, predecessor_id=2, outcome="worse")
        rollout.opened_at, rollout.closed_at = now, now + after
        with write_transaction() as session:
            session.add(rollout)
            return guarded_rollout.is_cooling_down(session, Version.V2)

    with app_on_each.app_context():
        assert not closed(timedelta(days=400))
        assert not closed(timedelta(days=-2))
        assert closed(timedelta(hours=-1))


def test_a_better_model_ends_its_rollout(
    app_on_each: Flask,
    admin: UserClient,
    client: UserClient,
    golden: GoldenSet,
    disagreements: Disagreements,
) -> None:
    deploy(app_on_each, admin, model_id=2, version="v1")
    label_all(admin, send(client, *images_won_by(disagreements, Version.V2)))
    run_periodic_tasks(app_on_each)
    [rollout] = list_rollouts(admin)
    assert rollout["outcome"] == "better"
    send(client, [golden.png(0)], [7])
    assert list_rollouts(admin) == [rollout]
    assert len(admin.call("GET", "/admin/deployments").get_json()["deployments"]) == 3


def test_a_rollout_without_labels_ends_undecided(
    app_on_each: Flask,
    admin: UserClient,
    client: UserClient,
    golden: GoldenSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with app_on_each.app_context():
        model_id = store_model(another_v2())
    deploy(app_on_each, admin, model_id, "v2")
    monkeypatch.setattr(guarded_rollout, "MAX_REQUESTS", 3)
    for index in range(5):
        send(client, [golden.png(index)], [0])
        run_periodic_tasks(app_on_each)
    assert (list_rollouts(admin)[0]["requests"], list_rollouts(admin)[0]["outcome"]) == (3, None)
    monkeypatch.setattr(guarded_rollout, "MAX_DURATION", timedelta(0))
    run_periodic_tasks(app_on_each)
    assert list_rollouts(admin)[0]["outcome"] == "undecided"


def test_a_deployment_or_rollback_ends_a_rollout_and_a_rollback_starts_none(
    app_on_each: Flask, admin: UserClient
) -> None:
    with app_on_each.app_context():
        first, second = store_model(another_v2("first")), store_model(another_v2("second"))
    deploy(app_on_each, admin, first, "v2")
    deploy(app_on_each, admin, second, "v2")
    assert [rollout["outcome"] for rollout in list_rollouts(admin)] == [None, "superseded"]
    assert admin.call("POST", "/admin/versions/v2/rollback").status_code == 201
    assert [rollout["outcome"] for rollout in list_rollouts(admin)] == ["superseded", "superseded"]


def test_both_versions_can_have_a_rollout_at_the_same_time(
    app_on_each: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    deploy(app_on_each, admin, model_id=2, version="v1")
    deploy(app_on_each, admin, model_id=1, version="v2")
    send(client, disagreements.pngs[:2], disagreements.labels[:2])
    assert [rollout["disagreements"] for rollout in list_rollouts(admin)] == [2, 2]
    with app_on_each.app_context():
        assert registry.deployment_history_ids(Version.V1)[0] == 2
        assert jobs.claim_next() is None


def test_a_model_deployed_during_a_rollout_is_compared_with_the_last_trusted_model(
    app_on_each: Flask,
    admin: UserClient,
    golden: GoldenSet,
    client: UserClient,
    disagreements: Disagreements,
) -> None:
    with app_on_each.app_context():
        between = store_model(another_v2("between"))
    deploy(app_on_each, admin, between, "v2")
    deploy(app_on_each, admin, model_id=1, version="v2")
    assert [rollout["predecessor_id"] for rollout in list_rollouts(admin)] == [2, 2]
    label_all(admin, send(client, *images_won_by(disagreements, Version.V2)))
    run_periodic_tasks(app_on_each)
    assert v2_becomes(admin, golden, "cifra-improved")
    assert admin.call("POST", "/admin/versions/v2/rollback").status_code == 409


def test_an_image_in_an_experiments_queue_is_not_queued_again_for_a_rollout(
    app_on_each: Flask, admin: UserClient, client: UserClient, disagreements: Disagreements
) -> None:
    deploy(app_on_each, admin, model_id=2, version="v1")
    deploy(app_on_each, admin, model_id=1, version="v2")
    for _ in range(3):
        send(client, disagreements.pngs[:1], disagreements.labels[:1])
    assert admin.call("GET", "/admin/review").get_json()["pending"] == 1
    assert list_rollouts(admin)[0]["disagreements"] == 3


def test_an_invalid_predecessor_shadows_nothing_and_raises_one_alert(
    app_on_each: Flask, admin: UserClient, golden: GoldenSet, client: UserClient
) -> None:
    with app_on_each.app_context():
        damaged = store_model(another_v2("damaged")[:-1_000])
        with write_transaction() as session:
            session.add(
                GuardedRollout(version="v2", model_id=2, predecessor_id=damaged, opened_at=NOW)
            )
    for _ in range(3):
        run_periodic_tasks(app_on_each)
    send(client, [golden.png(0)], [7])
    assert list_rollouts(admin)[0]["requests"] == 0
    assert len(admin.call("GET", "/admin/alerts").get_json()["alerts"]) == 1

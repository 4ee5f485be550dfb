"""Retrain jobs: queue, leases, fencing tokens and the result of a candidate."""

import time
from datetime import UTC, datetime, timedelta

import onnx
import pytest
from flask import Flask
from onnx import helper
from sqlalchemy import text

from app.domain.assignment import Version
from app.domain.promotion_gates import CandidateMetrics, PairedCounts
from app.services.background.periodic_worker import PeriodicWorker
from app.services.models import registry
from app.services.retraining import jobs
from app.services.retraining.jobs import Claim, JobCancelled, LeaseLost
from app.services.retraining.training_process import Candidate, Progress
from app.store.engine.db import write_transaction
from config import ROOT
from tests.conftest import GoldenSet, UserClient, admin_client, run_concurrently
from tests.support.review_data import create_submitters, label_images

SAME = PairedCounts(6_000, 5_990, 2, 2)
BETTER = PairedCounts(100, 60, 20, 2)
GOOD = CandidateMetrics(
    validation=SAME,
    validation_vs_bundled=SAME,
    by_digit={"7": SAME},
    by_image_kind={"photograph": SAME},
    holdout=BETTER,
    train=BETTER,
)
BAD = CandidateMetrics(
    validation=PairedCounts(6_000, 5_900, 2, 90),
    validation_vs_bundled=SAME,
    by_digit={"7": SAME},
    by_image_kind={"photograph": SAME},
    holdout=BETTER,
    train=BETTER,
)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the retrain worker from claiming jobs."""
    monkeypatch.setattr(PeriodicWorker, "trigger", lambda _: None)


@pytest.fixture
def admin(app_on_each: Flask, golden: GoldenSet, quiet: None) -> UserClient:
    label_images(
        app_on_each, golden.digits[:40], golden.labels[:40], create_submitters(app_on_each, 2)
    )
    return admin_client(app_on_each)


def candidate(metrics: CandidateMetrics = GOOD, name: str = "a candidate") -> Candidate:
    """Return the network of v2 under another name."""
    net = onnx.load(ROOT / "models" / "v2.onnx")
    helper.set_model_props(net, {"name": name})
    return Candidate(net.SerializeToString(), metrics)


def request_retrain(admin: UserClient, **body: str) -> int:
    """Create a retrain job; return its id."""
    answer = admin.call("POST", "/admin/retrain", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/admin/retrain/{answer.get_json()['job_id']}"
    return int(answer.get_json()["job_id"])


def claim_job() -> Claim:
    claim = jobs.claim_next()
    assert claim is not None
    return claim


def complete(claim: Claim, made: Candidate) -> jobs.Job:
    jobs.complete(claim, jobs.training_spec(claim), made, "a log")
    return jobs.get(claim.job_id)


def expire_lease(job_id: int) -> None:
    """Let the lease of a job expire."""
    move_lease(job_id, datetime.now(UTC) - timedelta(seconds=1))


def move_lease(job_id: int, end: datetime) -> None:
    """Let the lease of a job end at another time."""
    with write_transaction() as session:
        moved = text("UPDATE retrain_job SET lease_until = :end WHERE id = :id")
        session.execute(moved, {"end": end, "id": job_id})


def test_without_labels_a_retrain_is_rejected(app: Flask) -> None:
    answer = admin_client(app).call("POST", "/admin/retrain")
    assert answer.status_code == 422
    assert answer.get_json()["msg"] == "A retrain needs 20 reviewed images; there are 0"


def test_a_second_retrain_is_rejected_while_one_is_open(admin: UserClient) -> None:
    job_id = request_retrain(admin)
    answer = admin.call("POST", "/admin/retrain")
    assert answer.status_code == 409
    assert answer.get_json()["msg"] == f"Retrain {job_id} has not ended yet"


def test_of_concurrent_requests_one_is_accepted(admin: UserClient) -> None:
    answers = run_concurrently(6, lambda: admin.call("POST", "/admin/retrain"))
    assert sorted(answer.status_code for answer in answers) == [202, *[409] * 5]


def test_an_unknown_retrain_is_404(app: Flask) -> None:
    admin = admin_client(app)
    for method, path in (("GET", ""), ("GET", "/log"), ("POST", "/cancel")):
        assert admin.call(method, f"/admin/retrain/5{path}").status_code == 404


def test_a_good_candidate_is_deployed_and_the_next_experiment_starts(
    app_on_each: Flask, admin: UserClient
) -> None:
    job_id = request_retrain(admin)
    with app_on_each.app_context():
        job = complete(claim_job(), candidate())
    assert (job.id, job.status, job.error) == (job_id, "deployed", None)
    shown = admin.call("GET", f"/admin/retrain/{job_id}").get_json()
    assert [gate["passed"] for gate in shown["gates"]] == [True] * 6
    assert shown["train_labels"] + shown["holdout_labels"] == 40
    assert admin.call("GET", f"/admin/retrain/{job_id}/log").text == "a log"
    served = admin.call("GET", "/admin/models").get_json()["models"][0]
    assert (served["name"], served["deployed_as"]) == (f"cifra-improved-retrain-{job_id}", ["v2"])
    last = admin.call("GET", "/admin/deployments").get_json()["deployments"][0]
    assert (last["version"], last["reason"]) == ("v2", f"retrain {job_id}")
    experiments = admin.call("GET", "/admin/experiments").get_json()["experiments"]
    assert [each["running"] for each in experiments] == [True, False]
    assert experiments[1]["end_reason"] == "deployment"


def test_a_rejected_candidate_is_stored_with_the_reason_and_not_deployable(
    app_on_each: Flask, admin: UserClient
) -> None:
    request_retrain(admin)
    with app_on_each.app_context():
        job = complete(claim_job(), candidate(BAD))
    assert job.status == "rejected"
    assert (job.error or "").startswith("validation: -1.47% compared with the deployed model")
    kept = admin.call("GET", "/admin/models").get_json()["models"][0]
    assert (kept["rejection_reason"], kept["deployed_as"]) == (job.error, [])
    answer = admin.call("POST", f"/admin/models/{kept['id']}/deploy", json={"version": "v2"})
    assert answer.status_code == 409
    assert answer.get_json()["msg"].startswith("This model was rejected: validation")


def test_with_deploy_manual_a_candidate_waits_for_an_admin(
    app_on_each: Flask, admin: UserClient
) -> None:
    request_retrain(admin, version="v1", deploy="manual")
    with app_on_each.app_context():
        job = complete(claim_job(), candidate())
    assert (job.status, job.version) == ("ready", Version.V1)
    deployed = admin.call("POST", f"/admin/models/{job.model_id}/deploy", json={"version": "v1"})
    assert deployed.status_code == 201
    again = admin.call("POST", f"/admin/models/{job.model_id}/deploy", json={"version": "v1"})
    assert again.status_code == 409


def test_a_candidate_waits_if_its_baseline_is_no_longer_deployed(
    app_on_each: Flask, admin: UserClient
) -> None:
    request_retrain(admin)
    with app_on_each.app_context():
        claim = claim_job()
        registry.deploy(1, Version.V2, 1)
        job = complete(claim, candidate())
    assert job.status == "ready"
    assert job.error == "another model was deployed during training"


def test_cancelling_ends_a_queued_job_at_once_and_a_running_one_at_its_next_heartbeat(
    app_on_each: Flask, admin: UserClient
) -> None:
    queued = request_retrain(admin)
    cancelled = admin.call("POST", f"/admin/retrain/{queued}/cancel")
    assert cancelled.get_json()["status"] == "cancelled"
    assert admin.call("POST", f"/admin/retrain/{queued}/cancel").status_code == 409
    running = request_retrain(admin)
    with app_on_each.app_context():
        claim = claim_job()
        assert admin.call("POST", f"/admin/retrain/{running}/cancel").status_code == 200
        with pytest.raises(JobCancelled):
            jobs.heartbeat(claim, None)
        jobs.fail(claim, "", "")
        assert jobs.get(running).status == "cancelled"


def test_a_job_cancelled_at_the_last_moment_is_not_deployed(
    app_on_each: Flask, admin: UserClient
) -> None:
    job_id = request_retrain(admin)
    with app_on_each.app_context():
        claim = claim_job()
        assert admin.call("POST", f"/admin/retrain/{job_id}/cancel").status_code == 200
        job = complete(claim, candidate())
        assert (job.status, job.model_id) == ("cancelled", None)
        assert len(registry.list_deployments(10)) == 2


def test_a_candidate_starts_from_the_bundled_model(app_on_each: Flask, admin: UserClient) -> None:
    with app_on_each.app_context():
        registry.deploy(1, Version.V2, 1)
        registry.deploy(2, Version.V2, 1)
    request_retrain(admin)
    with app_on_each.app_context():
        assert claim_job().start_model_id == 2


def test_labels_of_a_deleted_reviewer_are_not_used(app_on_each: Flask, admin: UserClient) -> None:
    with app_on_each.app_context(), write_transaction() as session:
        session.execute(text("UPDATE review SET reviewer_id = NULL"))
    assert admin.call("POST", "/admin/retrain").status_code == 422


def test_progress_is_shown_while_a_job_runs(app_on_each: Flask, admin: UserClient) -> None:
    job_id = request_retrain(admin)
    with app_on_each.app_context():
        jobs.heartbeat(claim_job(), Progress("training", 0.25, loss=0.5, seconds_left=30))
    job = admin.call("GET", f"/admin/retrain/{job_id}").get_json()
    assert (job["status"], job["stage"], job["progress"]) == ("running", "training", 0.25)
    assert (job["loss"], job["seconds_left"]) == (0.5, 30)


def test_a_leased_job_is_not_claimed_until_its_lease_expires(
    app_on_each: Flask, admin: UserClient
) -> None:
    job_id = request_retrain(admin)
    with app_on_each.app_context():
        first = claim_job()
        assert jobs.claim_next() is None
        expire_lease(job_id)
        second = claim_job()
        assert (second.job_id, second.fencing_token) == (first.job_id, first.fencing_token + 1)


def test_a_lease_from_a_clock_that_was_ahead_does_not_keep_a_job(
    app_on_each: Flask, admin: UserClient
) -> None:
    job_id = request_retrain(admin)
    with app_on_each.app_context():
        first = claim_job()
        move_lease(job_id, datetime.now(UTC) + timedelta(days=400))
        assert claim_job().fencing_token == first.fencing_token + 1


def test_a_stale_worker_is_rejected_by_its_fencing_token(
    app_on_each: Flask, admin: UserClient
) -> None:
    job_id = request_retrain(admin)
    with app_on_each.app_context():
        stale = claim_job()
        expire_lease(job_id)
        fresh = claim_job()
        with pytest.raises(LeaseLost):
            jobs.heartbeat(stale, Progress("training", 0.9))
        with pytest.raises(LeaseLost):
            complete(stale, candidate())
        with pytest.raises(LeaseLost):
            jobs.fail(stale, "stale", "")
        assert jobs.get(job_id).status == "running"
        assert registry.list_deployments(1)[0].reason == "bundled"
        assert complete(fresh, candidate()).status == "deployed"
        with pytest.raises(LeaseLost):
            complete(fresh, candidate())


def test_a_job_that_never_finishes_is_abandoned(app_on_each: Flask, admin: UserClient) -> None:
    job_id = request_retrain(admin)
    with app_on_each.app_context():
        for _ in range(jobs.MAX_ATTEMPTS):
            claim_job()
            expire_lease(job_id)
        assert jobs.claim_next() is None
        job = jobs.get(job_id)
    assert (job.status, job.error) == (
        "failed",
        "abandoned: claimed 3 times and never finished",
    )


def test_erased_images_are_not_used(app_on_each: Flask, admin: UserClient) -> None:
    with app_on_each.app_context(), write_transaction() as session:
        session.execute(text("UPDATE prediction SET digit_image = NULL, user_id = NULL"))
    assert admin.call("POST", "/admin/retrain").status_code == 422


def wait_until_ended(admin: UserClient, job_id: int, within_s: float) -> dict[str, object]:
    """Wait until a job has ended; return it."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        job: dict[str, object] = admin.call("GET", f"/admin/retrain/{job_id}").get_json()
        if job["status"] not in {"queued", "running"}:
            return job
        time.sleep(0.1)
    raise AssertionError(job)

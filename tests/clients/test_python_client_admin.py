"""Admins' and reviewers' methods of the Python client, against a running server."""

from pathlib import Path

import pytest

from app.training.datasets import load_base_sets
from cifra_client import (
    Cifra,
    Conflict,
    NotAllowed,
    Unprocessable,
    errors,
)
from tests.clients.logins import PASSWORD, admin_of, new_user
from tests.conftest import Disagreements, make_config, opened_app
from tests.support.review_data import create_submitters, label_images
from tests.support.server_process import ROOT, UNLIMITED, serve

SEVEN = ROOT / "examples" / "digits" / "7.png"


def test_user_may_not_see_the_report(client: Cifra) -> None:
    with pytest.raises(NotAllowed):
        client.report()


def test_report_has_both_versions_and_the_experiment(client: Cifra, admin: Cifra) -> None:
    before = admin.report()
    prediction = client.predict(SEVEN, via="ab")
    client.feedback(prediction.id, digit=7)
    after = admin.report()
    assert set(after.versions) == {"v1", "v2"}
    assert after.total_feedback == before.total_feedback + 1
    assert after.accuracy_percentage is not None
    assert (
        after.versions[prediction.version].served == before.versions[prediction.version].served + 1
    )
    assert after.experiment is not None
    assert before.experiment is not None
    assert after.experiment.requests == before.experiment.requests + 1
    assert len(after.versions["v2"].confusion_matrix) == 11


def test_reviewer_labels_blind_and_undoes_the_last_label(
    tmp_path: Path, disagreements: Disagreements
) -> None:
    with (
        serve(tmp_path, **UNLIMITED) as it,
        new_user(it, "sender") as sender,
        admin_of(it) as admin,
        Cifra(it.url) as vera,
    ):
        account = vera.register("vera", PASSWORD)
        assert admin.set_role(account.id, "reviewer").role == "reviewer"
        vera.login("vera", PASSWORD)
        assert vera.review_next() is None
        prediction = sender.predict(disagreements.pngs[0], via="ab")
        with pytest.raises(Conflict):
            vera.review(prediction.id, digit=1)
        item = vera.review_next()
        assert item is not None
        assert item.image.startswith(b"\x89PNG")
        assert item.pending == 1
        vera.review(item.prediction_id, digit=disagreements.labels[0])
        vera.undo_review(item.prediction_id)
        again = vera.review_next()
        assert again is not None
        vera.review(again.prediction_id, skip=True)


def test_retrain_is_requested_awaited_and_cancelled(tmp_path: Path) -> None:
    training = load_base_sets().training
    with serve(tmp_path, **UNLIMITED) as it, admin_of(it) as admin:
        with pytest.raises(Unprocessable, match="reviewed images"):
            admin.retrain()
        with opened_app(make_config(it.data_dir)) as app:
            label_images(
                app, list(training.digits[:30]), training.labels[:30], create_submitters(app, 2)
            )
        job = admin.retrain("v2", deploy="manual")
        with pytest.raises(Conflict):
            admin.retrain()
        with pytest.raises(errors.TimedOut):
            admin.wait(job, timeout_s=0)
        admin.cancel_retrain(job.id)
        seen: list[str] = []
        ended = admin.wait(job, 60, on_progress=lambda shown: seen.append(shown.status))
        assert (ended.status, ended.model_id) == ("cancelled", None)
        assert seen[-1] == "cancelled"
        assert [each.id for each in admin.retrains()] == [job.id]


def test_deployments_are_listed_and_none_can_be_rolled_back(tmp_path: Path) -> None:
    with serve(tmp_path, **UNLIMITED) as it, admin_of(it) as admin:
        assert [each.reason for each in admin.deployments()] == ["bundled", "bundled"]
        with pytest.raises(Conflict):
            admin.roll_back("v2")
        assert admin.alerts() == []

"""What goes into the outbox and for whom, read from the mails that a real server receives."""

import pytest
from flask import Flask
from sqlalchemy import update

from app.domain.notifications import NotificationKind
from app.services.notifications.mailer import Mailer
from app.services.retraining import jobs
from app.store.engine.db import write_transaction
from app.store.queries.notifications import OutboxSize
from app.store.tables import User
from tests.conftest import Disagreements, GoldenSet, admin_client, register_user
from tests.services.retraining.test_jobs import (
    BAD,
    GOOD,
    candidate,
    claim_job,
    complete,
    quiet,
    request_retrain,
)
from tests.services.reviews.test_review_queue import request_item, submit_label
from tests.support.mail_app import (
    ADDRESS,
    another_admin,
    clock,
    deliver,
    mail_app,
    mailbox,
    mailer,
    mark_incorrect,
    pending,
    raise_alert,
    subscribe,
)
from tests.support.review_data import create_submitters, label_images
from tests.support.smtp_server import Mailbox

__all__ = ["clock", "mail_app", "mailbox", "mailer", "quiet"]


def test_a_digest_contains_the_alert_and_goes_to_the_subscriber(
    mail_app: Flask, mailbox: Mailbox, mailer: Mailer
) -> None:
    subscribe(admin_client(mail_app), "alert")
    raise_alert(mail_app, "the sky fell\r\nBcc: someone@example.org")
    deliver(mail_app, mailer)
    recipients, mail = mailbox.next()
    assert recipients == [ADDRESS]
    assert mail["To"] == ADDRESS
    assert mail["Subject"] == "Cifra: alerts: 1"
    assert mail["Bcc"] is None
    assert "test: the sky fell Bcc: someone@example.org" in mail.get_content()
    assert pending(mail_app) == OutboxSize(0, None)
    deliver(mail_app, mailer)
    assert mailbox.count == 0


def test_only_subscribed_admins_are_mailed_and_only_their_kinds(
    mail_app: Flask, mailbox: Mailbox, mailer: Mailer, golden: GoldenSet
) -> None:
    admin, client = admin_client(mail_app), register_user(mail_app, "client")
    subscribe(admin, "feedback", "verdict")
    another_admin(mail_app, admin, "silent")
    client.call("PATCH", "/me", json={"email": "client@example.org"})
    raise_alert(mail_app)
    prediction_id = mark_incorrect(client, golden.png_of(7))
    deliver(mail_app, mailer)
    recipients, mail = mailbox.next()
    assert recipients == [ADDRESS]
    assert mail["Subject"] == "Cifra: feedback against confident predictions: 1"
    text = mail.get_content()
    assert "v2 predicted 7" in text
    assert prediction_id in text
    assert "secret" not in text
    assert "client" not in text
    assert mailbox.count == 0


def test_feedback_that_contradicts_no_confident_prediction_is_not_mailed(
    mail_app: Flask, golden: GoldenSet
) -> None:
    admin, client = admin_client(mail_app), register_user(mail_app, "client")
    subscribe(admin, "feedback")
    confident = client.predict("v2", golden.png_of(7)).get_json()
    assert confident["probabilidad"] > 0.99
    for feedback in (
        {"prediction_id": confident["prediction_id"], "correct": True},
        {"prediction_id": confident["prediction_id"], "digit": 7},
        {"prediction": 7, "correct": False},
    ):
        assert client.call("POST", "/feedback", json=feedback).status_code == 201
    assert pending(mail_app).count == 0
    other = {"prediction_id": confident["prediction_id"], "digit": 1}
    assert client.call("POST", "/feedback", json=other).status_code == 409
    assert pending(mail_app).count == 0
    for _ in range(2):
        answer = client.call("POST", "/feedback", json={**other, "replace": True})
        assert answer.status_code == 201
    assert pending(mail_app).count == 1


def test_feedback_on_a_prediction_of_low_confidence_is_not_mailed(
    mail_app: Flask, golden: GoldenSet, disagreements: Disagreements
) -> None:
    client = register_user(mail_app, "client")
    subscribe(admin_client(mail_app), "feedback")
    made = [client.predict("v1", png).get_json() for png in disagreements.pngs[:20]]
    uncertain = [answer for answer in made if answer["probabilidad"] < 0.95]
    assert uncertain
    for answer in uncertain:
        feedback = {"prediction_id": answer["prediction_id"], "correct": False}
        assert client.call("POST", "/feedback", json=feedback).status_code == 201
    assert pending(mail_app).count == 0


@pytest.mark.usefixtures("quiet")
def test_every_result_of_a_retrain_is_mailed(
    mail_app: Flask, mailbox: Mailbox, mailer: Mailer, golden: GoldenSet
) -> None:
    label_images(mail_app, golden.digits[:40], golden.labels[:40], create_submitters(mail_app, 2))
    admin = admin_client(mail_app)
    subscribe(admin, "retrain")
    admin.call("POST", f"/admin/retrain/{request_retrain(admin)}/cancel")
    with mail_app.app_context():
        request_retrain(admin)
        jobs.fail(claim_job(), "it\nbroke", log="")
        request_retrain(admin)
        complete(claim_job(), candidate(BAD, "bad"))
        request_retrain(admin, deploy="manual")
        complete(claim_job(), candidate(GOOD, "good"))
        request_retrain(admin)
        complete(claim_job(), candidate(GOOD, "as good"))
    deliver(mail_app, mailer)
    _, mail = mailbox.next()
    assert mail["Subject"] == "Cifra: retrains: 5"
    ends = [line.split(" UTC: ")[1] for line in mail.get_content().splitlines() if " UTC: " in line]
    assert ends[:2] == ["retrain 1 of v2: cancelled", "retrain 2 of v2: failed (it broke)"]
    assert ends[2].startswith("retrain 3 of v2: rejected (")
    assert ends[3:] == ["retrain 4 of v2: ready", "retrain 5 of v2: deployed"]


def test_a_winner_is_mailed_once(
    mail_app: Flask, mailbox: Mailbox, mailer: Mailer, disagreements: Disagreements
) -> None:
    admin, client = admin_client(mail_app), register_user(mail_app, "client")
    subscribe(admin, "verdict")
    for png, v2 in zip(disagreements.pngs[:10], disagreements.v2_digits[:10], strict=True):
        made = client.predict("ab", png).get_json()["prediction_id"]
        assert request_item(admin) is not None
        assert submit_label(admin, made, digit=v2) == 201  # the eighth such label names a winner
    deliver(mail_app, mailer)
    _, mail = mailbox.next()
    assert mail["Subject"] == "Cifra: verdicts: 1"
    assert "experiment 1: v2 is better, based on 8 labeled images" in mail.get_content()


def test_notifications_start_when_they_are_turned_on(
    mail_app: Flask, mailbox: Mailbox, mailer: Mailer
) -> None:
    admin = admin_client(mail_app)
    raise_alert(mail_app, "too early")
    subscribe(admin, *NotificationKind)
    raise_alert(mail_app, "in time")
    deliver(mail_app, mailer)
    text = mailbox.next()[1].get_content()
    assert "in time" in text
    assert "too early" not in text


def test_notifications_that_were_turned_off_are_deleted_unsent(
    mail_app: Flask, mailbox: Mailbox, mailer: Mailer
) -> None:
    admin = admin_client(mail_app)
    other = another_admin(mail_app, admin, "other")
    subscribe(other, "alert", email="other@example.org")
    subscribe(admin, "alert")
    raise_alert(mail_app)
    assert pending(mail_app).count == 2
    own = other.call("GET", "/me").get_json()["id"]
    admin.call("PATCH", f"/admin/users/{own}", json={"role": "user"})
    admin.call("PATCH", "/me", json={"notifications": ["verdict"]})
    deliver(mail_app, mailer)
    assert mailbox.count == 0
    assert pending(mail_app).count == 0


def test_a_deleted_admin_leaves_nothing_in_the_outbox(mail_app: Flask) -> None:
    other = another_admin(mail_app, admin_client(mail_app), "other")
    subscribe(other, "alert", email="other@example.org")
    raise_alert(mail_app)
    assert other.call("DELETE", "/me").status_code == 200
    assert pending(mail_app).count == 0


def test_an_invalid_stored_address_gets_no_mail(mail_app: Flask) -> None:
    subscribe(admin_client(mail_app), "alert")
    with mail_app.app_context(), write_transaction() as session:
        session.execute(update(User).values(email="a@example.org\r\nBcc: b@example.org"))
    raise_alert(mail_app)
    assert pending(mail_app).count == 0

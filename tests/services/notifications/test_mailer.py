"""Delivery of digests: one an hour, by one process, whatever the mail server does."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from flask import Flask

from app import smtp
from app.domain.notifications import MAX_LINES_PER_KIND
from app.services.notifications.mailer import LEASE, MIN_INTERVAL, MIN_RETRY, Mailer
from tests.conftest import (
    GoldenSet,
    admin_client,
    bootstrapped_app,
    container_of,
    make_config,
    opened_app,
    register_user,
    run_concurrently,
)
from tests.support.mail_app import (
    Clock,
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
from tests.support.smtp_server import BlackHole, Mailbox, mail_server

__all__ = ["clock", "mail_app", "mailbox", "mailer"]


def test_a_second_digest_waits_an_hour_and_contains_everything_since(
    mail_app: Flask, mailbox: Mailbox, mailer: Mailer, clock: Clock
) -> None:
    subscribe(admin_client(mail_app), "alert")
    raise_alert(mail_app, "the first")
    deliver(mail_app, mailer)
    assert "the first" in mailbox.next()[1].get_content()
    for number in range(MAX_LINES_PER_KIND + 5):
        raise_alert(mail_app, f"number {number}.")
    clock.now += MIN_INTERVAL - timedelta(seconds=1)
    deliver(mail_app, mailer)
    assert mailbox.count == 0
    clock.now += timedelta(seconds=1)
    deliver(mail_app, mailer)
    text = mailbox.next()[1].get_content()
    assert "the first" not in text
    assert "5 earlier" in text
    assert "number 4." not in text
    assert "number 5." in text
    assert "number 24." in text
    assert pending(mail_app).count == 0


def test_a_rejected_mail_is_kept_and_retried_with_backoff(
    mail_app: Flask,
    mailbox: Mailbox,
    mailer: Mailer,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    subscribe(admin_client(mail_app), "alert")
    raise_alert(mail_app, "do not lose me")
    mailbox.rejects = True
    for tries in range(3):
        deliver(mail_app, mailer)
        clock.now += MIN_RETRY * 2**tries
    assert [record.message for record in caplog.records] == [
        "mail to account 1 is not accepted: SMTPDataError"
    ]
    assert pending(mail_app).count == 1
    mailbox.rejects = False
    deliver(mail_app, mailer)
    assert "do not lose me" in mailbox.next()[1].get_content()
    assert caplog.records[-1].message == "mail to account 1 is accepted again"


def test_a_rejected_mail_is_not_retried_at_once(
    mail_app: Flask, mailbox: Mailbox, mailer: Mailer, clock: Clock
) -> None:
    subscribe(admin_client(mail_app), "alert")
    raise_alert(mail_app)
    mailbox.rejects = True
    deliver(mail_app, mailer)
    mailbox.rejects = False
    clock.now += MIN_RETRY - timedelta(seconds=1)
    deliver(mail_app, mailer)
    assert mailbox.count == 0
    clock.now += timedelta(seconds=1)
    deliver(mail_app, mailer)
    assert mailbox.count == 1


def test_two_processes_do_not_send_a_digest_twice(
    mail_app: Flask, mailbox: Mailbox, clock: Clock
) -> None:
    subscribe(admin_client(mail_app), "alert")
    raise_alert(mail_app)
    config = container_of(mail_app).config
    with ExitStack() as stack:
        apps = [stack.enter_context(opened_app(config)) for _ in range(4)]
        run_concurrently(4, *(partial(deliver, app, Mailer(smtp.send, clock)) for app in apps))
    assert mailbox.count == 1


def test_while_one_process_sends_no_other_does_until_the_lease_ends(
    mail_app: Flask, mailbox: Mailbox, mailer: Mailer, clock: Clock
) -> None:
    subscribe(admin_client(mail_app), "alert")
    raise_alert(mail_app, "from the second one")

    def killed_while_it_sends(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver(mail_app, Mailer(killed_while_it_sends, clock))
    clock.now += LEASE - timedelta(seconds=1)
    deliver(mail_app, mailer)
    assert mailbox.count == 0
    clock.now += timedelta(seconds=1)
    deliver(mail_app, mailer)
    assert "from the second one" in mailbox.next()[1].get_content()


def test_a_pause_from_a_clock_that_was_ahead_keeps_no_mail_back(
    mail_app: Flask, mailbox: Mailbox, mailer: Mailer, clock: Clock
) -> None:
    subscribe(admin_client(mail_app), "alert")
    raise_alert(mail_app)
    clock.now += timedelta(days=400)
    deliver(mail_app, mailer)
    raise_alert(mail_app, "after the clock was set right")
    clock.now -= timedelta(days=400)
    deliver(mail_app, mailer)
    assert mailbox.count == 2


def test_without_a_mail_server_notifications_stay_in_the_outbox(app_on_each: Flask) -> None:
    subscribe(admin_client(app_on_each), "alert")
    before = datetime.now(UTC)
    raise_alert(app_on_each)
    with app_on_each.app_context():
        container_of(app_on_each).mail_worker.trigger()
        container_of(app_on_each).mail_worker.stop()
    found = pending(app_on_each)
    assert found.count == 1
    assert found.oldest_at is not None
    assert found.oldest_at >= before


def test_feedback_is_accepted_while_the_mail_server_hangs_and_mailed_once_it_is_back(
    tmp_path: Path, golden: GoldenSet, clock: Clock
) -> None:
    hole = BlackHole()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(hole.port)}
    with bootstrapped_app(make_config(tmp_path, RATELIMIT_ENABLED="false", **mail)) as app:
        with app.app_context():
            container_of(app).inference.reload()
        client = register_user(app, "client")
        subscribe(admin_client(app), "feedback")
        first = mark_incorrect(client, golden.png_of(7))
        container_of(app).mail_worker.trigger()
        hole.wait()
        second = mark_incorrect(client, golden.png_of(4))
        assert hole.is_connected
        hole.close()
        container_of(app).mail_worker.stop()
        assert pending(app).count == 2
        clock.now += LEASE
        with mail_server(hole.port) as box:
            deliver(app, Mailer(smtp.send, clock))
            text = box.next()[1].get_content()
    assert first in text
    assert second in text

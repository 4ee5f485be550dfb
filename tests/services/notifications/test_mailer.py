"""When digests are sent and by whom: one an hour, by one process, whatever the mail server does."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask

from app import smtp
from app.domain.notifications import MOST_LINES
from app.services.notifications.mailer import BETWEEN_MAILS, FIRST_RETRY, LEASE, Mailer
from tests.conftest import Golden, admin_of, beside, parts_of, prepared, register, settings
from tests.support.mail_app import (
    Clock,
    clock,
    contradict,
    deliver,
    mailbox,
    mailer,
    mailing,
    tell,
    waiting,
    wants,
)
from tests.support.smtp_server import BlackHole, Mailbox, mail_server

__all__ = ["clock", "mailbox", "mailer", "mailing"]


def test_a_second_digest_waits_an_hour_and_holds_all_that_came_meanwhile(
    mailing: Flask, mailbox: Mailbox, mailer: Mailer, clock: Clock
) -> None:
    wants(admin_of(mailing), "alert")
    tell(mailing, "the first")
    deliver(mailing, mailer)
    assert "the first" in mailbox.next()[1].get_content()
    for number in range(MOST_LINES + 5):
        tell(mailing, f"number {number}.")
    clock.now += BETWEEN_MAILS - timedelta(seconds=1)
    deliver(mailing, mailer)
    assert mailbox.count == 0
    clock.now += timedelta(seconds=1)
    deliver(mailing, mailer)
    text = mailbox.next()[1].get_content()
    assert "the first" not in text
    assert "5 more before" in text
    assert "number 4." not in text
    assert "number 5." in text
    assert "number 24." in text
    assert waiting(mailing).count == 0


def test_a_mail_that_is_refused_is_kept_and_tried_later_and_later(
    mailing: Flask, mailbox: Mailbox, mailer: Mailer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    wants(admin_of(mailing), "alert")
    tell(mailing, "do not lose me")
    mailbox.refuses = True
    for tries in range(3):
        deliver(mailing, mailer)
        clock.now += FIRST_RETRY * 2**tries
    assert [record.message for record in caplog.records] == [
        "mail to account 1 is not taken: SMTPDataError"
    ]
    assert waiting(mailing).count == 1
    mailbox.refuses = False
    deliver(mailing, mailer)
    assert "do not lose me" in mailbox.next()[1].get_content()
    assert caplog.records[-1].message == "mail to account 1 is taken again"


def test_a_mail_that_was_refused_is_not_tried_again_at_once(
    mailing: Flask, mailbox: Mailbox, mailer: Mailer, clock: Clock
) -> None:
    wants(admin_of(mailing), "alert")
    tell(mailing)
    mailbox.refuses = True
    deliver(mailing, mailer)
    mailbox.refuses = False
    clock.now += FIRST_RETRY - timedelta(seconds=1)
    deliver(mailing, mailer)
    assert mailbox.count == 0
    clock.now += timedelta(seconds=1)
    deliver(mailing, mailer)
    assert mailbox.count == 1


def test_two_processes_do_not_send_a_digest_twice(
    mailing: Flask, mailbox: Mailbox, clock: Clock
) -> None:
    wants(admin_of(mailing), "alert")
    tell(mailing)
    ready = threading.Barrier(4)

    def in_a_process_of_its_own(_: int) -> None:
        with beside(parts_of(mailing).config) as app:
            ready.wait()
            deliver(app, Mailer(smtp.send, clock))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(in_a_process_of_its_own, range(4)))
    assert mailbox.count == 1


def test_while_one_process_sends_no_other_does_until_its_lease_is_over(
    mailing: Flask, mailbox: Mailbox, mailer: Mailer, clock: Clock
) -> None:
    wants(admin_of(mailing), "alert")
    tell(mailing, "from the second one")

    def killed_while_it_sends(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver(mailing, Mailer(killed_while_it_sends, clock))
    clock.now += LEASE - timedelta(seconds=1)
    deliver(mailing, mailer)
    assert mailbox.count == 0
    clock.now += timedelta(seconds=1)
    deliver(mailing, mailer)
    assert "from the second one" in mailbox.next()[1].get_content()


def test_without_a_mail_server_mail_stays_in_the_outbox(app_on_each: Flask) -> None:
    wants(admin_of(app_on_each), "alert")
    before = datetime.now(UTC)
    tell(app_on_each)
    with app_on_each.app_context():
        parts_of(app_on_each).mail.wake()
        parts_of(app_on_each).mail.stop()
    found = waiting(app_on_each)
    assert found.count == 1
    assert found.oldest_at is not None
    assert found.oldest_at >= before


def test_words_are_taken_while_the_mail_server_says_nothing_and_are_mailed_once_it_is_back(
    tmp_path: Path, golden: Golden, clock: Clock
) -> None:
    hole = BlackHole()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(hole.port)}
    with prepared(settings(tmp_path, RATELIMIT_ENABLED="false", **mail)) as app:
        with app.app_context():
            parts_of(app).inference.follow()
        client = register(app, "client")
        wants(admin_of(app), "feedback")
        first = contradict(client, golden.png_of(7))
        parts_of(app).mail.wake()
        hole.wait()
        second = contradict(client, golden.png_of(4))
        assert hole.holds
        hole.close()
        parts_of(app).mail.stop()
        assert waiting(app).count == 2
        clock.now += LEASE
        with mail_server(hole.port) as box:
            deliver(app, Mailer(smtp.send, clock))
            text = box.next()[1].get_content()
    assert first in text
    assert second in text

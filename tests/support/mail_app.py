"""An application with a mail server of its own, and a mailer with a clock that tests set."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask

from app import smtp
from app.services.notifications import alerts
from app.services.notifications.mailer import Mailer
from app.store.engine.db import read_transaction
from app.store.queries import notifications
from app.store.queries.notifications import OutboxSize
from tests.conftest import UserClient, bootstrapped_app, container_of, make_config, register_user
from tests.support.server_process import free_port
from tests.support.smtp_server import Mailbox, mail_server

ADDRESS = "boss@example.org"


class Clock:
    """A clock that stands still until a test changes it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC) + timedelta(minutes=1)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server(free_port()) as box:
        yield box


@pytest.fixture
def mail_app(database_url: str, tmp_path: Path, mailbox: Mailbox) -> Iterator[Flask]:
    """Make an application with a mail server, on SQLite and on PostgreSQL."""
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(mailbox.port)}
    more = {"DATABASE_URL": database_url, "RATELIMIT_ENABLED": "false", **mail}
    with bootstrapped_app(make_config(tmp_path, **more)) as made:
        with made.app_context():
            container_of(made).inference.reload()
        yield made


@pytest.fixture
def mailer(clock: Clock) -> Mailer:
    return Mailer(smtp.send, clock)


def subscribe(person: UserClient, *kinds: str, email: str = ADDRESS) -> None:
    answer = person.call("PATCH", "/me", json={"email": email, "notifications": kinds})
    assert answer.status_code == 200, answer.text


def deliver(app: Flask, mailer: Mailer) -> None:
    with app.app_context():
        mailer.deliver(threading.Event())


def raise_alert(app: Flask, message: str = "something happened") -> None:
    with app.app_context():
        alerts.create("test", message)


def pending(app: Flask) -> OutboxSize:
    with app.app_context(), read_transaction() as session:
        return notifications.outbox_size(session)


def another_admin(app: Flask, admin: UserClient, name: str) -> UserClient:
    person = register_user(app, name)
    own = person.call("GET", "/me").get_json()["id"]
    assert admin.call("PATCH", f"/admin/users/{own}", json={"role": "admin"}).status_code == 200
    return person


def mark_incorrect(person: UserClient, image: bytes) -> str:
    """Send an image, and give the feedback that its confident prediction is incorrect."""
    made = person.predict("v2", image).get_json()
    assert made["probabilidad"] > 0.99
    feedback = {"prediction_id": made["prediction_id"], "correct": False, "comment": "my secret"}
    assert person.call("POST", "/feedback", json=feedback).status_code == 201
    return str(made["prediction_id"])

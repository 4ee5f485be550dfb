"""Mail of a running server: with a mail server that hangs, after kill -9 and after a restart."""

import sqlite3
from pathlib import Path

from tests.conftest import GoldenSet
from tests.support.server_process import UNLIMITED, Server, free_port, serve
from tests.support.smtp_server import BlackHole, mail_server


def mail_through(port: int) -> dict[str, str]:
    return UNLIMITED | {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port)}


def subscribe(server: Server) -> None:
    settings = {"email": "boss@example.org", "notifications": ["feedback"]}
    assert server.admin_client().call("PATCH", "/me", json=settings).status_code == 200


def mark_incorrect(server: Server, username: str, image: bytes) -> str:
    """Have a new user send an image and mark the prediction incorrect; returns its id."""
    client = server.register(username)
    made: str = client.predict("v2", image).json()["prediction_id"]
    feedback = {"prediction_id": made, "correct": False}
    assert client.call("POST", "/feedback", json=feedback).status_code == 201
    return made


def expire_lease(data_dir: Path) -> None:
    """Let the lease end as it would after two minutes."""
    connection = sqlite3.connect(data_dir / "app.db")
    with connection:
        [[left]] = connection.execute("SELECT count(*) FROM user WHERE next_mail_at IS NOT NULL")
        connection.execute("UPDATE user SET next_mail_at = '2026-01-01 00:00:00'")
    connection.close()
    assert left == 1


def test_mail_that_a_killed_server_could_not_send_is_sent_after_the_restart(
    tmp_path: Path, golden: GoldenSet
) -> None:
    hole = BlackHole()
    first = Server(tmp_path, mail_through(hole.port))
    first.wait()
    subscribe(first)
    made = [mark_incorrect(first, "ana", golden.png_of(7))]
    hole.wait()
    made.append(mark_incorrect(first, "bea", golden.png_of(4)))
    assert hole.is_connected
    first.kill()
    hole.close()
    expire_lease(tmp_path)
    port = free_port()
    with mail_server(port) as box, serve(tmp_path, **mail_through(port)):
        recipients, mail = box.next()
        assert recipients == ["boss@example.org"]
        assert all(each in mail.get_content() for each in made)
        assert box.count == 0


def test_notifications_are_sent_at_the_first_start_with_a_mail_server(
    tmp_path: Path, golden: GoldenSet
) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        subscribe(server)
        made = mark_incorrect(server, "ana", golden.png_of(7))
    port = free_port()
    with mail_server(port) as box, serve(tmp_path, **mail_through(port)):
        assert made in box.next()[1].get_content()

"""Mail of a served Cifra: through a mail server that says nothing, kill -9 and a start anew."""

import sqlite3
from pathlib import Path

from tests.conftest import GoldenSet
from tests.support.server_process import UNLIMITED, Server, free_port, serve
from tests.support.smtp_server import BlackHole, mail_server


def mail_through(port: int) -> dict[str, str]:
    return UNLIMITED | {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port)}


def ask_for_mail(server: Server) -> None:
    wanted = {"email": "boss@example.org", "notifications": ["feedback"]}
    assert server.admin_client().call("PATCH", "/me", json=wanted).status_code == 200


def contradict(server: Server, username: str, picture: bytes) -> str:
    """Somebody new sends a picture and calls the answer wrong; the prediction's id."""
    client = server.register(username)
    made: str = client.predict("v2", picture).json()["prediction_id"]
    said = {"prediction_id": made, "correct": False}
    assert client.call("POST", "/feedback", json=said).status_code == 201
    return made


def let_the_lease_end(data_dir: Path) -> None:
    """What two minutes of waiting do."""
    connection = sqlite3.connect(data_dir / "app.db")
    with connection:
        [[left]] = connection.execute("SELECT count(*) FROM user WHERE next_mail_at IS NOT NULL")
        connection.execute("UPDATE user SET next_mail_at = '2026-01-01 00:00:00'")
    connection.close()
    assert left == 1


def test_what_a_killed_server_could_not_mail_is_mailed_by_the_next(
    tmp_path: Path, golden: GoldenSet
) -> None:
    hole = BlackHole()
    first = Server(tmp_path, mail_through(hole.port))
    first.wait()
    ask_for_mail(first)
    made = [contradict(first, "ana", golden.png_of(7))]
    hole.wait()
    made.append(contradict(first, "bea", golden.png_of(4)))
    assert hole.is_connected
    first.kill()
    hole.close()
    let_the_lease_end(tmp_path)
    port = free_port()
    with mail_server(port) as box, serve(tmp_path, **mail_through(port)):
        recipients, mail = box.next()
        assert recipients == ["boss@example.org"]
        assert all(each in mail.get_content() for each in made)
        assert box.count == 0


def test_mail_from_before_there_was_a_mail_server_goes_out_with_the_first_start_that_has_one(
    tmp_path: Path, golden: GoldenSet
) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        ask_for_mail(server)
        made = contradict(server, "ana", golden.png_of(7))
    port = free_port()
    with mail_server(port) as box, serve(tmp_path, **mail_through(port)):
        assert made in box.next()[1].get_content()

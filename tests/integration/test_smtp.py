"""Handing a mail to a mail server: time limits, logins, certificates."""

import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from app import create_app, smtp
from app.domain.notifications import Digest
from tests.conftest import make_config
from tests.support.server_process import free_port
from tests.support.smtp_server import BlackHole, Mailbox, mail_server

DIGEST = Digest("Cifra: alerts: 1", "- ñandú, at 99.8%\n.\nthe end\n")
ADDRESS = "boss@example.org"


class RudeMailbox(Mailbox):
    """Takes mail, and hangs up on a goodbye."""

    async def handle_QUIT(self, server: SMTP, _: Session, __: Envelope) -> str:
        assert server.transport is not None
        server.transport.abort()
        return "221 never heard"


@contextmanager
def serving(box: Mailbox, **options: object) -> Iterator[None]:
    running = Controller(box, hostname="127.0.0.1", port=box.port, **options)
    running.start()
    try:
        yield
    finally:
        running.stop()


def send(tmp_path: Path, port: int, **more: str) -> None:
    app = create_app(
        make_config(tmp_path, **{"MAIL_SERVER": "127.0.0.1"} | more, MAIL_PORT=str(port))
    )
    with app.app_context():
        smtp.send(ADDRESS, DIGEST)


def test_a_digest_arrives_letter_by_letter_from_the_sender_that_was_set(tmp_path: Path) -> None:
    with mail_server(free_port()) as box:
        send(tmp_path, box.port, MAIL_DEFAULT_SENDER="Cifra <cifra@example.org>")
        recipients, mail = box.next()
    assert recipients == [ADDRESS]
    assert (mail["From"], mail["To"]) == ("Cifra <cifra@example.org>", ADDRESS)
    assert mail["Subject"] == DIGEST.subject
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().replace("\r\n", "\n") == DIGEST.body


def test_a_server_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_S", 0.2)
    hole = BlackHole()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, tmp_path, hole.port)
        with pytest.raises(OSError, match="timed out"):
            sending.result(timeout=smtp.TIMEOUT_S + 5)
        hole.close()


def test_a_mail_that_was_taken_is_sent_whatever_comes_of_the_goodbye(tmp_path: Path) -> None:
    box = RudeMailbox(free_port())
    with serving(box):
        send(tmp_path, box.port)
        assert box.next()[0] == [ADDRESS]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_login_is_used_where_one_is_set(tmp_path: Path) -> None:
    def check(_: SMTP, __: Session, ___: Envelope, ____: str, told: object) -> AuthResult:
        return AuthResult(success=told == LoginPassword(b"cifra", b"a secret"), handled=False)

    box = Mailbox(free_port())
    who = {"MAIL_USERNAME": "cifra", "MAIL_PASSWORD": "a secret"}
    options = {"auth_required": True, "auth_require_tls": False, "authenticator": check}
    with serving(box, **options):
        for wrong in ({}, who | {"MAIL_PASSWORD": "a guess"}):
            with pytest.raises(OSError, match="Authentication"):
                send(tmp_path, box.port, **wrong)
        send(tmp_path, box.port, **who)
    assert box.count == 1


def test_mail_travels_encrypted_and_only_to_whom_a_certificate_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    named = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)]
    subprocess.run([*made.split(), *named, "-out", str(certificate)], check=True, timeout=60)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    box = Mailbox(free_port())
    with serving(box, tls_context=context, require_starttls=True):
        with pytest.raises(OSError, match="STARTTLS"):
            send(tmp_path, box.port)
        with pytest.raises(ssl.SSLCertVerificationError):
            send(tmp_path, box.port, MAIL_USE_TLS="true")
        assert box.count == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        send(tmp_path, box.port, MAIL_USE_TLS="true")
        assert box.count == 1

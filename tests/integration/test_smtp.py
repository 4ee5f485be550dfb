"""Sending mail to a mail server: timeouts, logins, certificates."""

import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from app import smtp
from app.domain.notifications import Digest
from tests.conftest import make_config, opened_app
from tests.support.server_process import free_port
from tests.support.smtp_server import BlackHole, Mailbox, mail_server

DIGEST = Digest("Cifra: alerts: 1", "- ñandú, at 99.8%\n.\nthe end\n")
ADDRESS = "boss@example.org"


class AbortingMailbox(Mailbox):
    """Accepts mail, and closes the connection on QUIT."""

    async def handle_QUIT(self, server: SMTP, _: Session, __: Envelope) -> str:
        assert server.transport is not None
        server.transport.abort()
        return "221 never received"


@contextmanager
def serving(box: Mailbox, **options: object) -> Iterator[None]:
    running = Controller(box, hostname="127.0.0.1", port=box.port, **options)
    running.start()
    try:
        yield
    finally:
        running.stop()


def send(tmp_path: Path, port: int, **more: str) -> None:
    config = make_config(tmp_path, **{"MAIL_SERVER": "127.0.0.1"} | more, MAIL_PORT=str(port))
    with opened_app(config) as app, app.app_context():
        smtp.send(ADDRESS, DIGEST)


def test_a_digest_arrives_unchanged_from_the_configured_sender(tmp_path: Path) -> None:
    with mail_server(free_port()) as box:
        send(tmp_path, box.port, MAIL_DEFAULT_SENDER="Cifra <cifra@example.org>")
        recipients, mail = box.next()
    assert recipients == [ADDRESS]
    assert (mail["From"], mail["To"]) == ("Cifra <cifra@example.org>", ADDRESS)
    assert mail["Subject"] == DIGEST.subject
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().replace("\r\n", "\n") == DIGEST.body


def test_a_server_that_never_answers_times_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_S", 0.2)
    black_hole = BlackHole()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, tmp_path, black_hole.port)
        with pytest.raises(OSError, match="timed out"):
            sending.result(timeout=smtp.TIMEOUT_S + 5)
        black_hole.close()


def test_an_accepted_mail_counts_as_sent_even_if_quit_fails(tmp_path: Path) -> None:
    box = AbortingMailbox(free_port())
    with serving(box):
        send(tmp_path, box.port)
        assert box.next()[0] == [ADDRESS]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_configured_login_is_used(tmp_path: Path) -> None:
    def check(_: SMTP, __: Session, ___: Envelope, ____: str, credentials: object) -> AuthResult:
        return AuthResult(
            success=credentials == LoginPassword(b"cifra", b"a secret"), handled=False
        )

    box = Mailbox(free_port())
    login = {"MAIL_USERNAME": "cifra", "MAIL_PASSWORD": "a secret"}
    options = {"auth_required": True, "auth_require_tls": False, "authenticator": check}
    with serving(box, **options):
        for wrong in ({}, login | {"MAIL_PASSWORD": "wrong"}):
            with pytest.raises(OSError, match="Authentication"):
                send(tmp_path, box.port, **wrong)
        send(tmp_path, box.port, **login)
    assert box.count == 1


def test_mail_is_encrypted_and_sent_only_to_a_server_with_a_valid_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    options = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)]
    subprocess.run([*command.split(), *options, "-out", str(certificate)], check=True, timeout=60)
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

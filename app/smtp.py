"""Flask-Mail with a timeout at each step, and verified certificates.

Flask-Mail (0.10) waits for a mail server without a limit and does not verify its certificate. The
timeout holds for each answer, so a silent server delays the mail thread only:
tests/integration/test_smtp.py.
"""

import contextlib
import smtplib
import ssl

from flask import current_app
from flask_mail import Connection, Mail, Message

from app.domain.notifications import Digest

TIMEOUT_S = 10

_EXTRA_HEADERS = {"Auto-Submitted": "auto-generated"}  # no header contains user-supplied text


class _TimeoutConnection(Connection):
    """A connection that waits for each answer of the mail server for `TIMEOUT_S` at most."""

    def configure_host(self) -> smtplib.SMTP:
        host = smtplib.SMTP(self.mail.server, self.mail.port, timeout=TIMEOUT_S)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(host.close)
            if self.mail.use_tls:
                host.starttls(context=ssl.create_default_context())
            if self.mail.username and self.mail.password:
                host.login(self.mail.username, self.mail.password)
            on_failure.pop_all()
        return host

    def __exit__(self, *_: object) -> None:
        """Close the connection; an accepted mail counts as sent, even if closing fails."""
        if self.host is not None:
            with contextlib.suppress(OSError):
                self.host.quit()


class _TimeoutMail(Mail):
    def connect(self) -> Connection:
        return _TimeoutConnection(current_app.extensions["mail"])


mail = _TimeoutMail()


def send(address: str, digest: Digest) -> None:
    """Send a digest. Needs an application context.

    Raise OSError, which includes smtplib's own errors, if the mail server does not accept it.
    """
    try:
        mail.send(Message(digest.subject, [address], digest.body, extra_headers=_EXTRA_HEADERS))
    except UnicodeError as error:
        raise OSError("an address or a login that is not ASCII") from error

"""Flask-Mail with a time limit on each step, and certificates that are checked."""

import contextlib
import smtplib
import ssl

from flask import current_app
from flask_mail import Connection, Mail, Message

from app.domain.notifications import Digest

TIMEOUT_S = 10

_EXTRA_HEADERS = {"Auto-Submitted": "auto-generated"}  # never a header from a text of others


class _TimeoutConnection(Connection):
    """Waits so many seconds for each answer of the mail server, where Flask-Mail waits for ever."""

    def configure_host(self) -> smtplib.SMTP:
        host = smtplib.SMTP(self.mail.server, self.mail.port, timeout=TIMEOUT_S)
        with contextlib.ExitStack() as where_it_fails:
            where_it_fails.callback(host.close)
            if self.mail.use_tls:
                host.starttls(context=ssl.create_default_context())
            if self.mail.username and self.mail.password:
                host.login(self.mail.username, self.mail.password)
            where_it_fails.pop_all()
        return host

    def __exit__(self, *_: object) -> None:
        """Say goodbye; a mail that was taken is sent, whatever the answer."""
        if self.host is not None:
            with contextlib.suppress(OSError):
                self.host.quit()


class _TimeoutMail(Mail):
    def connect(self) -> Connection:
        return _TimeoutConnection(current_app.extensions["mail"])


mail = _TimeoutMail()


def send(address: str, digest: Digest) -> None:
    """Have the mail server take a digest. Needs an application context.

    Raises OSError, which smtplib's own errors are too, where it does not.
    """
    try:
        mail.send(Message(digest.subject, [address], digest.body, extra_headers=_EXTRA_HEADERS))
    except UnicodeError as error:
        raise OSError("an address or a login that no mail server takes") from error

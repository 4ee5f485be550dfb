"""Real mail servers: one that takes mail, and one that takes calls and never says a word."""

import queue
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

WAIT_S = 30


class Mailbox:
    """What a mail server took, in order."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._came: queue.Queue[tuple[list[str], EmailMessage]] = queue.Queue()
        self.refuses = False

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        if self.refuses:
            return "451 not now"
        assert isinstance(envelope.content, bytes)
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self._came.put((envelope.rcpt_tos, parsed))
        return "250 taken"

    def next(self) -> tuple[list[str], EmailMessage]:
        """The next mail, waited for: who it went to, and what it says."""
        return self._came.get(timeout=WAIT_S)

    @property
    def count(self) -> int:
        """How many mails came and were not looked at yet."""
        return self._came.qsize()


@contextmanager
def mail_server(port: int) -> Iterator[Mailbox]:
    """A mail server on this port until the block ends."""
    box = Mailbox(port)
    running = Controller(box, hostname="127.0.0.1", port=port)
    running.start()
    try:
        yield box
    finally:
        running.stop()


class BlackHole:
    """Listens and accepts, and never answers."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(WAIT_S)
        self.port = int(self._listening.getsockname()[1])
        self._call: socket.socket | None = None

    def wait(self) -> None:
        """Wait until somebody calls."""
        self._call, _ = self._listening.accept()
        self._call.setblocking(False)

    @property
    def holds(self) -> bool:
        """Whether the caller still waits for a first word."""
        assert self._call is not None
        try:
            return self._call.recv(1) != b""
        except BlockingIOError:
            return True

    def close(self) -> None:
        """Hang up, and listen no more."""
        for each in (self._call, self._listening):
            if each is not None:
                each.close()

"""Real mail servers: one that receives mail, and one that accepts connections and never answers."""

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
    """The mails that a server received, in order."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._received: queue.Queue[tuple[list[str], EmailMessage]] = queue.Queue()
        self.rejects = False

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        if self.rejects:
            return "451 not now"
        assert isinstance(envelope.content, bytes)
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self._received.put((envelope.rcpt_tos, parsed))
        return "250 taken"

    def next(self) -> tuple[list[str], EmailMessage]:
        """Wait for the next mail and return its recipients and content."""
        return self._received.get(timeout=WAIT_S)

    @property
    def count(self) -> int:
        """Return the number of received mails that were not fetched yet."""
        return self._received.qsize()


@contextmanager
def mail_server(port: int) -> Iterator[Mailbox]:
    """Run a mail server on this port until the block ends."""
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
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(WAIT_S)
        self.port = int(self._listener.getsockname()[1])
        self._connection: socket.socket | None = None

    def wait(self) -> None:
        """Wait until a client connects."""
        self._connection, _ = self._listener.accept()
        self._connection.setblocking(False)

    @property
    def is_connected(self) -> bool:
        """Return whether the client is still connected and waits for a greeting."""
        assert self._connection is not None
        try:
            return self._connection.recv(1) != b""
        except BlockingIOError:
            return True

    def close(self) -> None:
        """Close the connection and stop listening."""
        for each in (self._connection, self._listener):
            if each is not None:
                each.close()

"""Send the notifications in the outbox: a digest for each admin, at most one an hour.

No transaction is open while a mail is being sent, and a notification is deleted only after the mail
server has accepted it. A process that dies between the two sends the same digest again after the
restart: at least once, never zero times.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.domain.clock_skew import is_pending
from app.domain.notifications import Digest, build_digest
from app.store.engine.db import read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import accounts, notifications

MIN_INTERVAL = timedelta(hours=1)
LEASE = timedelta(minutes=2)  # longer than sending takes if every step nearly times out
MIN_RETRY, MAX_RETRY = timedelta(seconds=10), timedelta(minutes=15)
MAX_PER_DIGEST = 1_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Claim:
    """A digest that only this process may send until its lease ends."""

    user_id: int
    address: str
    until: datetime
    ids: tuple[int, ...]
    digest: Digest


class Mailer:
    """Sends the digests that are due, and counts consecutive failures by account.

    `send` raises OSError if the mail server does not accept a mail. Without `send`, notifications
    stay in the outbox.
    """

    def __init__(
        self,
        send: Callable[[str, Digest], None] | None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._send, self._clock = send, clock
        self._failures: Counter[int] = Counter()

    def deliver(self, stop_event: threading.Event) -> None:
        """Send all digests that are due. Needs an application context."""
        if self._send is None:
            return
        with read_transaction() as session:
            due = notifications.list_due_user_ids(session, self._clock(), MIN_INTERVAL)
        for user_id in due:
            if stop_event.is_set():
                return
            claim = _claim(user_id, self._clock())
            if claim is not None:
                self._send_digest(claim, self._send)

    def _send_digest(self, claim: _Claim, send: Callable[[str, Digest], None]) -> None:
        try:
            send(claim.address, claim.digest)
        except OSError as error:
            self._retry_later(claim, error)
            return
        _complete(claim, self._clock() + MIN_INTERVAL)
        if self._failures.pop(claim.user_id, 0):
            _log.warning("mail to account %s is accepted again", claim.user_id)

    def _retry_later(self, claim: _Claim, error: OSError) -> None:
        """Release the claim until a retry with exponential backoff; logs only the first failure."""
        earlier_failures = self._failures[claim.user_id]
        self._failures[claim.user_id] += 1
        if not earlier_failures:
            reason = type(error).__name__
            _log.warning("mail to account %s is not accepted: %s", claim.user_id, reason)
        pause = min(MAX_RETRY, MIN_RETRY * 2 ** min(earlier_failures, 10))
        _release(claim, self._clock() + pause)


@retried
def _claim(user_id: int, now: datetime) -> _Claim | None:
    """Claim an account's due digest; None if there is none or another process has claimed it.

    Notifications that the account has turned off are deleted.
    """
    with write_transaction() as session:
        user = accounts.lock_for_update(session, user_id)
        if user is None or is_pending(user.next_mail_at, now, MIN_INTERVAL):
            return None
        notifications.delete_other_kinds(session, user_id, notifications.subscribed_kinds(user))
        found = notifications.list_pending(session, user_id, MAX_PER_DIGEST)
        if not found or user.email is None:
            return None
        user.next_mail_at = until = now + LEASE
        ids = tuple(notification.id for notification in found)
        return _Claim(user_id, user.email, until, ids, build_digest(found))


@retried
def _complete(claim: _Claim, due_at: datetime) -> None:
    """Delete a sent digest from the outbox; the next one is due at `due_at`."""
    with write_transaction() as session:
        # Lock the account first, as its deletion does, so that the two cannot deadlock.
        user = accounts.lock_for_update(session, claim.user_id)
        notifications.delete_sent(session, claim.ids)
        if user is not None:
            user.next_mail_at = due_at


@retried
def _release(claim: _Claim, due_at: datetime) -> None:
    """Give up a claim to a digest that was not sent; any process may claim it from `due_at` on."""
    with write_transaction() as session:
        user = accounts.lock_for_update(session, claim.user_id)
        if user is not None and user.next_mail_at == claim.until:
            user.next_mail_at = due_at

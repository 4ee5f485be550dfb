"""A user's own account: its data, email address and notification settings."""

from collections.abc import Collection

from app.domain.credentials import check_email
from app.domain.errors import InvalidInput, NotAllowed, NotFound
from app.domain.notifications import NotificationKind
from app.domain.roles import Role
from app.services.accounts.users import Account, to_account
from app.store.engine.db import read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import accounts

_NOT_FOUND = "This account does not exist any more"


def get(user_id: int) -> Account:
    """Return the user's account. Raises NotFound."""
    with read_transaction() as session:
        user = accounts.get(session, user_id)
        if user is None:
            raise NotFound(_NOT_FOUND)
        return to_account(user)


@retried
def update(
    user_id: int, *, email: str | None, notifications: Collection[NotificationKind] | None
) -> Account:
    """Change the email address ("" removes it) and the kinds of notifications sent to it.

    Removing the address turns notifications off. Raises InvalidInput, NotAllowed if a user who is
    not an admin asks for notifications, NotFound.
    """
    address = check_email(email) if email else None
    with write_transaction() as session:
        user = accounts.lock_for_update(session, user_id)
        if user is None:
            raise NotFound(_NOT_FOUND)
        if notifications and user.role != Role.ADMIN:
            raise NotAllowed("Only admins receive notifications")
        user.email = user.email if email is None else address
        if notifications and user.email is None:
            raise InvalidInput("Notifications need an email address: send `email` too")
        if notifications is not None:
            user.notification_kinds = [kind for kind in NotificationKind if kind in notifications]
        if user.email is None:
            user.notification_kinds = None
        return to_account(user)

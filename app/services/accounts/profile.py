"""One's own account: what it holds, its address, and what mail it wants."""

from collections.abc import Collection

from app.domain.credentials import check_email
from app.domain.errors import InvalidInput, NotAllowed, NotFound
from app.domain.notifications import Kind
from app.domain.roles import Role
from app.services.accounts.users import Account, account_of
from app.store.engine.db import reading, writing
from app.store.queries import accounts

_GONE = "This account is gone"


def find(user_id: int) -> Account:
    """One's own account. Raises NotFound."""
    with reading() as session:
        user = accounts.find(session, user_id)
        if user is None:
            raise NotFound(_GONE)
        return account_of(user)


def amend(user_id: int, *, email: str | None, notifications: Collection[Kind] | None) -> Account:
    """Change one's address, which "" removes, and what one is mailed about from now on.

    Without an address there is no mail. Raises InvalidInput, NotAllowed where somebody who is no
    admin asks for mail, NotFound.
    """
    address = check_email(email) if email else None
    with writing() as session:
        user = accounts.lock(session, user_id)
        if user is None:
            raise NotFound(_GONE)
        if notifications and user.role != Role.ADMIN:
            raise NotAllowed("Only admins receive notifications")
        user.email = user.email if email is None else address
        if notifications and user.email is None:
            raise InvalidInput("Notifications need an address: send `email` too")
        if notifications is not None:
            user.notification_kinds = [kind for kind in Kind if kind in notifications]
        if user.email is None:
            user.notification_kinds = None
        return account_of(user)

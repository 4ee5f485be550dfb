"""Accounts: creating, listing, updating and deleting them, with their roles and passwords."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.domain.credentials import check_email, check_username, normalize_username
from app.domain.errors import Conflict, NotAuthenticated, NotFound
from app.domain.notifications import NotificationKind
from app.domain.roles import Role
from app.services.accounts.passwords import PasswordHasher
from app.store.engine import wal_cleanup
from app.store.engine.db import AdvisoryLock, acquire, read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import accounts, feedback, predictions, retrain_jobs, reviews
from app.store.tables import User

STEP_ROWS = 100  # of an account that is being deleted, erased in one transaction
LAST_ADMIN = "The last admin cannot be deleted, locked or demoted"


@dataclass(frozen=True)
class Account:
    """An account with the data that admins and its owner may see."""

    id: int
    username: str
    email: str | None
    role: Role
    locked: bool
    has_password: bool
    created_at: datetime | None
    notifications: tuple[NotificationKind, ...]


@retried
def register(
    hasher: PasswordHasher, username: str, password: str, email: str | None = None
) -> Account:
    """Create an account with the role `user`.

    Raises InvalidInput or WeakPassword for invalid values, Conflict if the name is taken.
    """
    name = check_username(username)
    address = None if email is None else check_email(email)
    password_hash = hasher.hash(password)
    with write_transaction() as session:
        if accounts.get_by_username(session, name) is not None:
            raise Conflict("That username is taken")
        user = User(
            username=name,
            password_hash=password_hash,
            email=address,
            role=Role.USER,
            locked=False,
            created_at=datetime.now(UTC),
        )
        accounts.add(session, user)
        return to_account(user)


@retried
def create_admin(hasher: PasswordHasher, username: str, password: str) -> Account:
    """Create an admin; an existing account becomes one, with the new password and logged out.

    Raises InvalidInput or WeakPassword.
    """
    name = check_username(username)
    password_hash = hasher.hash(password)
    with write_transaction() as session:
        return _promote(session, name, password_hash)


@retried
def create_first_admin(hasher: PasswordHasher, username: str, password: str) -> None:
    """Create an admin for a database in which nobody can log in as one.

    An old account of that name without a password becomes the admin. Raises Conflict if the
    account has a password, since it belongs to somebody.
    """
    name = check_username(username)
    password_hash = hasher.hash(password)
    with write_transaction() as session:
        acquire(session, AdvisoryLock.ADMINS)
        namesake = accounts.get_by_username(session, name)
        if namesake is not None and namesake.password_hash is not None:
            raise Conflict(f"There is no admin, and the account {name!r} is already in use")
        _promote(session, name, password_hash)


def has_no_admin() -> bool:
    """Return whether nobody can log in as an admin."""
    with read_transaction() as session:
        return accounts.count_active_admins(session) == 0


@retried
def set_password(hasher: PasswordHasher, username: str, password: str) -> None:
    """Set an account's password and end its logins; old accounts get their first one this way.

    Raises NotFound or WeakPassword.
    """
    password_hash = hasher.hash(password)
    with write_transaction() as session:
        user = accounts.get_by_username(session, normalize_username(username))
        if user is None:
            raise NotFound("There is no account with that name")
        user.password_hash = password_hash
        accounts.revoke_logins(session, user.id, datetime.now(UTC))


@retried
def change_password(hasher: PasswordHasher, user_id: int, old: str, new: str) -> None:
    """Change a user's password and end all their logins.

    Raises NotAuthenticated if the old password is wrong, WeakPassword for the new one, Conflict
    if another request changed the password at the same time.
    """
    with read_transaction() as session:
        user = accounts.get(session, user_id)
        current = None if user is None else user.password_hash
    if not hasher.matches(old, current):
        raise NotAuthenticated("The old password is wrong")
    password_hash = hasher.hash(new)
    with write_transaction() as session:
        user = accounts.lock_for_update(session, user_id)
        if user is None or user.password_hash != current:
            raise Conflict("The password was changed by another request")
        user.password_hash = password_hash
        accounts.revoke_logins(session, user_id, datetime.now(UTC))


def list_page(after: int, limit: int) -> list[Account]:
    """Return up to `limit` accounts with ids above `after`, ordered by id."""
    with read_transaction() as session:
        return [to_account(user) for user in accounts.list_page(session, after, limit)]


@retried
def update(user_id: int, *, role: Role | None, locked: bool | None) -> Account:
    """Change an account's role, or lock or unlock it; locking ends its logins.

    Raises NotFound, or Conflict if no admin would be left.
    """
    with write_transaction() as session:
        acquire(session, AdvisoryLock.ADMINS)
        user = accounts.lock_for_update(session, user_id)
        if user is None:
            raise NotFound("There is no such account")
        user.role = role or user.role
        user.locked = user.locked if locked is None else locked
        if user.locked:
            accounts.revoke_logins(session, user_id, datetime.now(UTC))
        session.flush()
        if accounts.count_active_admins(session) == 0:
            raise Conflict(LAST_ADMIN)
        return to_account(user)


def delete(user_id: int) -> None:
    """Delete an account with its predictions, their images and its feedback.

    Many predictions are erased a step at a time first, with pauses, because on SQLite nobody else
    can write meanwhile. Raises Conflict if no admin would be left.
    """
    with read_transaction() as session:
        if accounts.count_active_admins(session, other_than=user_id) == 0:
            raise Conflict(LAST_ADMIN)  # before anything is erased
    started_at_s = time.monotonic()
    while _erase_step(user_id):
        time.sleep(time.monotonic() - started_at_s)
        started_at_s = time.monotonic()
    _delete_with_the_rest(user_id)
    wal_cleanup.mark_dirty()


@retried
def _erase_step(user_id: int) -> bool:
    """Erase some of an account's predictions; return whether there were that many.

    If there are fewer, nothing is erased: one transaction can erase them with the account.
    """
    with read_transaction() as session:
        ids = predictions.list_oldest_ids(session, user_id, STEP_ROWS)
    if len(ids) < STEP_ROWS:
        return False
    with write_transaction() as session:
        accounts.lock_key_share(session, user_id)
        predictions.lock_all(session, user_id, ids)
        reviews.withdraw_erased(session, user_id, ids)
        feedback.delete_by_predictions(session, ids)
        predictions.erase(session, user_id, ids)
    return True


@retried
def _delete_with_the_rest(user_id: int) -> None:
    with write_transaction() as session:
        acquire(session, AdvisoryLock.ADMINS)
        accounts.lock_exclusive(session, user_id)
        retrain_jobs.forget_requester(session, user_id)
        reviews.lock_items_of(session, user_id)
        reviews.withdraw_erased(session, user_id)
        feedback.delete_by_user(session, user_id)
        predictions.erase(session, user_id)
        accounts.delete_user(session, user_id)
        if accounts.count_active_admins(session) == 0:
            raise Conflict(LAST_ADMIN)


def _promote(session: Session, name: str, password_hash: str) -> Account:
    now = datetime.now(UTC)
    user = accounts.get_by_username(session, name) or User(username=name, created_at=now)
    user.role, user.locked, user.password_hash = Role.ADMIN, False, password_hash
    accounts.add(session, user)
    accounts.revoke_logins(session, user.id, now)
    return to_account(user)


def to_account(user: User) -> Account:
    """Convert a row to an account."""
    return Account(
        id=user.id,
        username=user.username,
        email=user.email,
        role=Role(user.role),
        locked=user.locked,
        has_password=user.password_hash is not None,
        created_at=user.created_at,
        notifications=tuple(NotificationKind(kind) for kind in user.notification_kinds or ()),
    )

"""Rules for usernames, passwords and email addresses."""

import re
import unicodedata

from app.domain.errors import InvalidInput, WeakPassword

MAX_USERNAME = 80
MIN_PASSWORD = 8
MAX_PASSWORD_BYTES = 72  # bcrypt ignores the rest

_EMAIL = re.compile(  # only the characters that have no special meaning in mail headers
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
)
MAX_EMAIL = 254


def check_username(username: str) -> str:
    """Return a username in its normal form. Raise InvalidInput if it breaks a rule."""
    name = normalize_username(username)
    if not 1 <= len(name) <= MAX_USERNAME or not name.isprintable() or name != name.strip():
        raise InvalidInput(
            f"A username has 1 to {MAX_USERNAME} printable characters and no space at either end"
        )
    return name


def normalize_username(username: str) -> str:
    """Return the form (Unicode NFC) in which a username is stored and looked up."""
    return unicodedata.normalize("NFC", username)


def check_password(password: str) -> None:
    """Raise WeakPassword, naming the rule that a new password breaks."""
    if len(password) < MIN_PASSWORD:
        raise WeakPassword(f"A password has at least {MIN_PASSWORD} characters")
    if not fits_bcrypt(password):
        raise WeakPassword(f"A password has at most {MAX_PASSWORD_BYTES} bytes and no zero byte")


def fits_bcrypt(password: str) -> bool:
    """Return whether bcrypt can hash this password in full."""
    return len(password.encode()) <= MAX_PASSWORD_BYTES and "\0" not in password


def check_email(email: str) -> str:
    """Return an email address unchanged. Raise InvalidInput if it is not valid."""
    if not is_valid_email(email):
        raise InvalidInput("The email address is not valid")
    return email


def is_valid_email(email: str) -> bool:
    """Return whether this is exactly one address, on one line."""
    return len(email) <= MAX_EMAIL and _EMAIL.fullmatch(email) is not None

"""What a username, a password and an address must be like."""

import re
import unicodedata

from app.domain.errors import InvalidInput, WeakPassword

MAX_USERNAME = 80
MIN_PASSWORD = 8
MAX_PASSWORD_BYTES = 72  # bcrypt reads no further

_EMAIL = re.compile(  # of what addresses may hold only what means nothing else in a mail's header
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
)
MAX_EMAIL = 254


def check_username(username: str) -> str:
    """Return a username in its normal form. Raises InvalidInput."""
    name = normalize_username(username)
    if not 1 <= len(name) <= MAX_USERNAME or not name.isprintable() or name != name.strip():
        raise InvalidInput(
            f"A username has 1 to {MAX_USERNAME} printable characters and no space at either end"
        )
    return name


def normalize_username(username: str) -> str:
    """The one form (NFC) in which a username is kept and looked for."""
    return unicodedata.normalize("NFC", username)


def check_password(password: str) -> None:
    """Raise WeakPassword with the rule that a new password breaks."""
    if len(password) < MIN_PASSWORD:
        raise WeakPassword(f"A password has at least {MIN_PASSWORD} characters")
    if not fits_bcrypt(password):
        raise WeakPassword(f"A password has at most {MAX_PASSWORD_BYTES} bytes and no zero byte")


def fits_bcrypt(password: str) -> bool:
    """Whether bcrypt can hash this password at all."""
    return len(password.encode()) <= MAX_PASSWORD_BYTES and "\0" not in password


def check_email(email: str) -> str:
    """Return an address that mail can be sent to. Raises InvalidInput."""
    if not is_valid_email(email):
        raise InvalidInput("The email address is not valid")
    return email


def is_valid_email(email: str) -> bool:
    """Whether this is one address, on one line, that mail can be sent to."""
    return len(email) <= MAX_EMAIL and _EMAIL.fullmatch(email) is not None

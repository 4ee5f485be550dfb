"""The three roles, and the user who makes a request."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What an account is permitted to do; admins may do everything."""

    USER = "user"
    REVIEWER = "reviewer"
    ADMIN = "admin"


@dataclass(frozen=True)
class CurrentUser:
    """The owner of a valid token, and the login session that it belongs to."""

    user_id: int
    role: Role
    session_id: UUID

"""Who may what: the three roles and the caller who holds one."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What an account may do; an admin may everything."""

    USER = "user"
    REVIEWER = "reviewer"
    ADMIN = "admin"


@dataclass(frozen=True)
class CurrentUser:
    """Somebody whose token is good, and the login that it came from."""

    user_id: int
    role: Role
    session_id: UUID

"""Accounts, logins and reviewers as answers show them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.errors import Message
from app.api.schemas.response_fields import Count, Id
from app.domain.notifications import NotificationKind
from app.domain.roles import Role


class RegisteredAccount(Message):
    """A new account."""

    id: Id
    username: Annotated[str, Field(description="in its normal form, NFC")]


class Tokens(BaseModel):
    """The tokens of a login."""

    access_token: Annotated[str, Field(description="for the header `Authorization: Bearer TOKEN`")]
    refresh_token: Annotated[
        str | SkipJsonSchema[None],
        Field(description="for one POST /refresh; not here where it went into a cookie"),
    ] = None


class Account(BaseModel):
    """An account as its owner and admins see it."""

    id: Id
    username: str
    email: str | None
    role: Role
    locked: bool
    has_password: Annotated[bool, Field(description="false for old accounts that wait for one")]
    created_at: datetime | None
    notifications: Annotated[
        list[NotificationKind], Field(description="what they are mailed about")
    ]


class AccountPage(BaseModel):
    """Accounts in the order of their ids."""

    users: list[Account]
    next_after: Annotated[int | None, Field(description="the next page's `after`, if there is one")]


class ReviewerReliability(BaseModel):
    """What a reviewer made of pictures with known digits."""

    reviewer_id: Id
    answered: Count
    correct: Count
    is_reliable: Annotated[bool, Field(description="whether their labels are learned from")]


class ReviewerList(BaseModel):
    """Every reviewer who has read a picture with a known digit."""

    reviewers: list[ReviewerReliability]

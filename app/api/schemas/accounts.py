"""Request and response bodies for accounts and logins."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.api.http.contract import require_fields
from app.api.schemas.errors import Message
from app.api.schemas.request_fields import FLAG_FIELD, EmailText, Flag, Text
from app.api.schemas.response_fields import Id
from app.domain.credentials import MAX_PASSWORD_BYTES, MAX_USERNAME, MIN_PASSWORD
from app.domain.notifications import NotificationKind
from app.domain.roles import Role

_Text = Annotated[Text, Field(description="text")]
_NewName = Annotated[_Text, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_USERNAME})]
_NewPassword = Annotated[
    _Text, Field(json_schema_extra={"minLength": MIN_PASSWORD, "maxLength": MAX_PASSWORD_BYTES})
]


class Credentials(BaseModel):
    """The username and password of an account."""

    username: _Text
    password: _Text


class Registration(Credentials):
    """A new account: a username, a password and, optionally, an email address."""

    username: _NewName
    password: _NewPassword
    email: EmailText | None = None


class PasswordChange(BaseModel):
    """The current password and the new one."""

    old_password: _Text
    new_password: _NewPassword


class ProfileUpdate(BaseModel):
    """The fields of one's own account to change; an empty email address removes it."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [require_fields(email={}), require_fields(notifications={})]}
    )

    email: Annotated[EmailText | Literal[""] | None, Field(description="text")] = None
    notifications: Annotated[
        list[NotificationKind] | None, Field(description=f"a list of {', '.join(NotificationKind)}")
    ] = None


class UserQuery(BaseModel):
    """Which page of accounts to return."""

    limit: Annotated[int, Field(ge=1, le=500, description="a whole number from 1 to 500")] = 100
    after: Annotated[int, Field(ge=0, le=2**31 - 1, description="the id of an account")] = 0


class UserUpdate(BaseModel):
    """The fields of an account to change: its role, or whether it is locked."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [require_fields(role={}), require_fields(locked={})]}
    )

    role: Annotated[Role | None, Field(description="user, reviewer or admin")] = None
    locked: Annotated[Flag | None, FLAG_FIELD] = None


class RegisteredAccount(Message):
    """A newly created account."""

    id: Id
    username: Annotated[str, Field(description="normalized to Unicode NFC")]


class Tokens(BaseModel):
    """The access and refresh tokens of a login."""

    access_token: Annotated[str, Field(description="for the header `Authorization: Bearer TOKEN`")]
    refresh_token: Annotated[
        str | SkipJsonSchema[None],
        Field(description="good for one POST /refresh; absent if it was set as a cookie"),
    ] = None


class Account(BaseModel):
    """An account as its owner and admins see it."""

    id: Id
    username: str
    email: str | None
    role: Role
    locked: bool
    has_password: Annotated[bool, Field(description="false for old accounts without a password")]
    created_at: datetime | None
    notifications: Annotated[
        list[NotificationKind], Field(description="kinds of notification sent by email")
    ]


class AccountPage(BaseModel):
    """A page of accounts, ordered by id."""

    users: list[Account]
    next_after: Annotated[
        int | None, Field(description="`after` of the next page; null on the last page")
    ]

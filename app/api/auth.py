"""Accounts and logins over HTTP."""

from datetime import timedelta
from typing import Annotated

from flask import Blueprint
from flask_limiter.util import get_remote_address
from pydantic import BaseModel, Field

from app.api import shown
from app.api.bodies import json_body
from app.api.identity import EVERYBODY, caller, refresh_token, requires, tokens
from app.api.limits import limiter, login_limit
from app.api.parts import parts
from app.domain.errors import NotAllowed
from app.services import accounts, sessions

CREDENTIALS_MISSING = "Username and password required"

blueprint = Blueprint("auth", __name__)

_Text = Annotated[str, Field(description="text")]


class Credentials(BaseModel):
    """What a login needs."""

    username: _Text
    password: _Text


class Registration(Credentials):
    """What a new account needs."""

    email: _Text | None = None


class PasswordChange(BaseModel):
    """What a new password needs."""

    old_password: _Text
    new_password: _Text


@blueprint.post("/register")
@limiter.limit(login_limit, key_func=get_remote_address)
def register() -> tuple[shown.Json, int]:
    """Make an account."""
    wired = parts()
    if not wired.config.registration_open:
        raise NotAllowed("Registration is closed; ask an admin for an account")
    asked = json_body(Registration, missing=CREDENTIALS_MISSING)
    made = accounts.register(wired.hasher, asked.username, asked.password, asked.email)
    return {"msg": "Account created", "id": made.id, "username": made.username}, 201


@blueprint.post("/login")
@limiter.limit(login_limit, key_func=get_remote_address)
def login() -> dict[str, str]:
    """Exchange a name and a password for tokens."""
    asked = json_body(Credentials, missing=CREDENTIALS_MISSING)
    return tokens(sessions.log_in(parts().hasher, asked.username, asked.password, _lasts()))


@blueprint.post("/refresh")
@limiter.limit(login_limit)
def refresh() -> dict[str, str]:
    """Exchange a refresh token for the next pair of tokens."""
    return tokens(sessions.refresh(*refresh_token(), _lasts()))


@blueprint.post("/logout")
@requires(*EVERYBODY)
def logout() -> shown.Json:
    """End the login that this token came from."""
    sessions.log_out(caller().session_id)
    return {"msg": "Logged out"}


@blueprint.post("/password")
@limiter.limit(login_limit)
@requires(*EVERYBODY)
def change_password() -> shown.Json:
    """Change one's own password; every login of the account ends."""
    asked = json_body(PasswordChange, missing="old_password and new_password required")
    accounts.change_password(
        parts().hasher, caller().user_id, asked.old_password, asked.new_password
    )
    return {"msg": "Password changed; log in again"}


@blueprint.delete("/me")
@requires(*EVERYBODY)
def remove_me() -> shown.Json:
    """Erase one's own account with everything that is kept of it."""
    accounts.remove(caller().user_id)
    return {"msg": "Account, predictions and feedback erased"}


def _lasts() -> timedelta:
    return timedelta(days=parts().config.refresh_token_days)

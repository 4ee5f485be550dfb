"""Accounts and logins over HTTP."""

from datetime import timedelta
from typing import Annotated

from flask import Blueprint, Response, jsonify
from flask_limiter.util import get_remote_address
from pydantic import BaseModel, Field

from app.api.http import refresh_cookie
from app.api.http.authentication import EVERYBODY, caller, refresh_token, requires, tokens
from app.api.http.container import parts
from app.api.http.contract import answers, raises, takes, takes_header, takes_token
from app.api.http.rate_limits import limiter, login_limit, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.accounts import Registered, Tokens
from app.api.schemas.errors import Message
from app.api.schemas.request_fields import EmailText, Text
from app.domain.credentials import MAX_PASSWORD_BYTES, MAX_USERNAME, MIN_PASSWORD
from app.domain.errors import Conflict, NotAllowed, NotAuthenticated
from app.services.accounts import sessions, users
from app.services.accounts.sessions import Grant

CREDENTIALS_MISSING = "Username and password required"

blueprint = Blueprint("auth", __name__)

_Text = Annotated[Text, Field(description="text")]
_NewName = Annotated[_Text, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_USERNAME})]
_NewPassword = Annotated[
    _Text, Field(json_schema_extra={"minLength": MIN_PASSWORD, "maxLength": MAX_PASSWORD_BYTES})
]


class Credentials(BaseModel):
    """What a login needs."""

    username: _Text
    password: _Text


class Registration(Credentials):
    """What a new account needs."""

    username: _NewName
    password: _NewPassword
    email: EmailText | None = None


class PasswordChange(BaseModel):
    """What a new password needs."""

    old_password: _Text
    new_password: _NewPassword


@blueprint.post("/register")
@limiter.limit(login_limit, key_func=get_remote_address)
@takes(Registration)
@answers(Registered, status=201)
@raises(NotAllowed, Conflict)
def register() -> tuple[serializers.Json, int]:
    """Make an account."""
    wired = parts()
    if not wired.config.registration_open:
        raise NotAllowed("Registration is closed; ask an admin for an account")
    asked = json_body(Registration, missing=CREDENTIALS_MISSING)
    made = users.register(wired.hasher, asked.username, asked.password, asked.email)
    return {"msg": "Account created", "id": made.id, "username": made.username}, 201


@blueprint.post("/login")
@limiter.limit(login_limit, key_func=get_remote_address)
@takes(Credentials)
@takes_header(X_Cifra_Cookie="1 has the refresh token put into a cookie")
@answers(Tokens, headers=("Set-Cookie",))
@raises(NotAuthenticated, NotAllowed)
def login() -> Response:
    """Exchange a name and a password for tokens."""
    asked = json_body(Credentials, missing=CREDENTIALS_MISSING)
    grant = sessions.log_in(parts().hasher, asked.username, asked.password, _lasts())
    return _answer(grant, by_cookie=refresh_cookie.is_wanted())


@blueprint.post("/refresh")
@limiter.limit(read_limit)  # every page that is opened asks, and a signed token cannot be guessed
@takes_token("refresh")
@answers(Tokens, headers=("Set-Cookie",))
@raises(NotAllowed)
def refresh() -> Response:
    """Exchange a refresh token, from the header or a page's cookie, for the next pair of tokens."""
    by_cookie = refresh_cookie.is_sent()
    grant = sessions.refresh(*refresh_token(by_cookie=by_cookie), _lasts())
    return _answer(grant, by_cookie=by_cookie)


@blueprint.post("/logout")
@requires(*EVERYBODY)
@answers(Message)
def logout() -> Response:
    """End the login that this token came from."""
    sessions.log_out(caller().session_id)
    return refresh_cookie.forget(jsonify(msg="Logged out"))


@blueprint.post("/password")
@limiter.limit(login_limit)
@requires(*EVERYBODY)
@takes(PasswordChange)
@answers(Message)
@raises(NotAuthenticated, Conflict)
def change_password() -> serializers.Json:
    """Change one's own password; every login of the account ends."""
    asked = json_body(PasswordChange, missing="old_password and new_password required")
    users.change_password(parts().hasher, caller().user_id, asked.old_password, asked.new_password)
    return {"msg": "Password changed; log in again"}


def _answer(grant: Grant, *, by_cookie: bool) -> Response:
    """Hand a pair of tokens over; a page's script never sees the one that lasts."""
    pair = tokens(grant)
    answer = jsonify({"access_token": pair["access_token"]} if by_cookie else pair)
    answer.cache_control.no_store = True
    return refresh_cookie.keep(answer, pair["refresh_token"]) if by_cookie else answer


def _lasts() -> timedelta:
    return timedelta(days=parts().config.refresh_token_days)

"""Registration, login, token refresh and password change."""

from datetime import timedelta

from flask import Blueprint, Response, jsonify
from flask_limiter.util import get_remote_address

from app.api.http import refresh_cookie
from app.api.http.authentication import (
    ALL_ROLES,
    create_tokens,
    current_user,
    require_roles,
    verify_refresh_token,
)
from app.api.http.container import container
from app.api.http.contract import (
    error_responses,
    request_body,
    request_headers,
    request_token,
    responds,
)
from app.api.http.rate_limits import limiter, login_limit, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.accounts import (
    Credentials,
    PasswordChange,
    RegisteredAccount,
    Registration,
    Tokens,
)
from app.api.schemas.errors import Message
from app.domain.errors import Conflict, NotAllowed, NotAuthenticated
from app.services.accounts import sessions, users
from app.services.accounts.sessions import TokenGrant

CREDENTIALS_MISSING = "Username and password required"

blueprint = Blueprint("auth", __name__)


@blueprint.post("/register")
@limiter.limit(login_limit, key_func=get_remote_address)
@request_body(Registration)
@responds(RegisteredAccount, status=201)
@error_responses(NotAllowed, Conflict)
def register() -> tuple[serializers.Json, int]:
    """Register an account."""
    services = container()
    if not services.config.registration_open:
        raise NotAllowed("Registration is closed; ask an admin for an account")
    body = json_body(Registration, missing=CREDENTIALS_MISSING)
    account = users.register(services.hasher, body.username, body.password, body.email)
    return {"msg": "Account created", "id": account.id, "username": account.username}, 201


@blueprint.post("/login")
@limiter.limit(login_limit, key_func=get_remote_address)
@request_body(Credentials)
@request_headers(X_Cifra_Refresh_Cookie="send 1 to receive the refresh token as a cookie")
@responds(Tokens, headers=("Set-Cookie",))
@error_responses(NotAuthenticated, NotAllowed)
def login() -> Response:
    """Log in with a username and a password, and get tokens."""
    body = json_body(Credentials, missing=CREDENTIALS_MISSING)
    grant = sessions.log_in(container().hasher, body.username, body.password, _refresh_lifetime())
    return _token_response(grant, by_cookie=refresh_cookie.is_requested())


@blueprint.post("/refresh")
@limiter.limit(read_limit)  # every page load calls this, and a signed token cannot be guessed
@request_token("refresh")
@responds(Tokens, headers=("Set-Cookie",))
@error_responses(NotAllowed)
def refresh() -> Response:
    """Exchange a refresh token, from the header or the cookie, for new tokens."""
    by_cookie = refresh_cookie.is_present()
    grant = sessions.refresh(*verify_refresh_token(by_cookie=by_cookie), _refresh_lifetime())
    return _token_response(grant, by_cookie=by_cookie)


@blueprint.post("/logout")
@require_roles(*ALL_ROLES)
@responds(Message)
def logout() -> Response:
    """Log out: revoke the tokens of this login."""
    sessions.log_out(current_user().session_id)
    return refresh_cookie.clear_cookie(jsonify(msg="Logged out"))


@blueprint.post("/password")
@limiter.limit(login_limit)
@require_roles(*ALL_ROLES)
@request_body(PasswordChange)
@responds(Message)
@error_responses(NotAuthenticated, Conflict)
def change_password() -> serializers.Json:
    """Change your password, and log out everywhere."""
    body = json_body(PasswordChange, missing="old_password and new_password required")
    users.change_password(
        container().hasher, current_user().user_id, body.old_password, body.new_password
    )
    return {"msg": "Password changed; log in again"}


def _token_response(grant: TokenGrant, *, by_cookie: bool) -> Response:
    """Return a pair of tokens; with a cookie, scripts never see the refresh token."""
    pair = create_tokens(grant)
    answer = jsonify({"access_token": pair["access_token"]} if by_cookie else pair)
    answer.cache_control.no_store = True
    return refresh_cookie.set_cookie(answer, pair["refresh_token"]) if by_cookie else answer


def _refresh_lifetime() -> timedelta:
    return timedelta(days=container().config.refresh_token_days)

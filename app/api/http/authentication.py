"""Authentication: configure the JWT extension, and require roles on a view."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

from flask import Response, g, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_current_user,
    get_jwt,
    get_jwt_header,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import InvalidTokenError, PyJWTError

from app.api.http.container import container
from app.api.http.contract import request_token
from app.api.http.problem_details import problem
from app.domain.errors import NotAllowed
from app.domain.roles import CurrentUser, Role
from app.services.accounts import sessions
from app.services.accounts.sessions import TokenGrant
from app.services.accounts.signing_keys import Key

ALL_ROLES = tuple(Role)

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Claims = dict[str, Any]

jwt = JWTManager()


def require_roles(*roles: Role) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Require an access token of a user who has one of these roles."""

    def decorate(view: Callable[_P, _R]) -> Callable[_P, _R]:
        @request_token("access", *roles)
        @wraps(view)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            if current_user_or_none() is None:
                verify_jwt_in_request()  # raises what is wrong with the token
                g.current_user = get_current_user()
            if current_user().role not in roles:
                raise NotAllowed("Your role may not do this")
            return view(*args, **kwargs)

        return wrapper

    return decorate


def current_user() -> CurrentUser:
    """Return the user who calls the running view, which requires a role."""
    return cast("CurrentUser", g.current_user)


def verify_refresh_token(*, by_cookie: bool) -> tuple[UUID, str]:
    """Verify the refresh token of this request; return its session id and token id."""
    verify_jwt_in_request(refresh=True, locations=["cookies" if by_cookie else "headers"])
    return cast("CurrentUser", get_current_user()).session_id, str(get_jwt()["jti"])


def current_user_or_none() -> CurrentUser | None:
    """Return the user of a valid access token; None in every other case, without an error.

    The result is cached for the request, because rate limits and views both need it.
    """
    if "current_user" not in g:
        g.current_user = _user_from_token()
    return cast("CurrentUser | None", g.current_user)


def _user_from_token() -> CurrentUser | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    cached = container().token_cache.get(token) if scheme == "Bearer" else None
    if cached is not None:
        g.log_context["user_id"] = cached.user_id
        return cached
    try:
        if verify_jwt_in_request(optional=True) is None:
            return None
    except (JWTExtendedException, PyJWTError):
        return None
    user = cast("CurrentUser", get_current_user())
    key_id = get_jwt_header().get("kid")
    if scheme == "Bearer" and key_id is not None:
        container().token_cache.add(token, user, str(key_id), float(get_jwt()["exp"]))
    return user


def create_tokens(grant: TokenGrant) -> dict[str, str]:
    """Create the access and refresh tokens of a grant."""
    identity, claims = str(grant.user_id), {"sid": str(grant.session_id)}
    return {
        "access_token": create_access_token(identity, additional_claims=claims),
        "refresh_token": create_refresh_token(
            identity, additional_claims=claims | {"jti": grant.refresh_id}
        ),
    }


@jwt.encode_key_loader
def _encode_key(_: str) -> str:
    return _signing_key().secret


@jwt.additional_headers_loader
def _key_header(_: str) -> dict[str, str]:
    return {"kid": _signing_key().kid}


@jwt.decode_key_loader
def _decode_key(headers: dict[str, str], _: _Claims) -> str:
    key = container().signing_keys.get(headers.get("kid"))
    if key is None:
        raise InvalidTokenError("unknown key id")
    return key.secret


def _signing_key() -> Key:
    """Return the current key, the same for the whole request even if keys are rotated."""
    if "signing_key" not in g:
        g.signing_key = container().signing_keys.current()
    return cast("Key", g.signing_key)


@jwt.user_lookup_loader
def _load_user(_: _Claims, claims: _Claims) -> CurrentUser | None:
    try:
        session_id = UUID(str(claims.get("sid")))
    except ValueError:
        return None
    user = sessions.current_user(session_id)
    if user is not None:
        g.log_context["user_id"] = user.user_id
    return user


@jwt.user_lookup_error_loader
def _reject_revoked(_: _Claims, __: _Claims) -> Response:
    return problem(401, sessions.REVOKED, key="msg")


@jwt.expired_token_loader
def _reject_expired(_: _Claims, __: _Claims) -> Response:
    return problem(401, "Token has expired", key="msg")


@jwt.unauthorized_loader
def _reject_missing(_: str) -> Response:
    return problem(401, "Missing Authorization Header", key="msg")


@jwt.invalid_token_loader
def _reject_malformed(_: str) -> Response:
    return problem(422, "Invalid token", key="msg")

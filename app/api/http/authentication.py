"""Who is calling: the JWT extension's set-up, and the decorator that guards a view by role."""

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
    """Let a view be called with an access token of somebody who has one of these roles."""

    def decorate(view: Callable[_P, _R]) -> Callable[_P, _R]:
        @request_token("access", *roles)
        @wraps(view)
        def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            if current_user_or_none() is None:
                verify_jwt_in_request()  # says what is wrong with the token
                g.caller = get_current_user()
            if current_user().role not in roles:
                raise NotAllowed("Your role may not do this")
            return view(*args, **kwargs)

        return guarded

    return decorate


def current_user() -> CurrentUser:
    """Who calls the guarded view that runs."""
    return cast("CurrentUser", g.caller)


def verify_refresh_token(*, by_cookie: bool) -> tuple[UUID, str]:
    """The login and the id of the refresh token that this request must carry."""
    verify_jwt_in_request(refresh=True, locations=["cookies" if by_cookie else "headers"])
    return cast("CurrentUser", get_current_user()).session_id, str(get_jwt()["jti"])


def current_user_or_none() -> CurrentUser | None:
    """Who calls, where the access token is good; None in every other case, with no error.

    Worked out once for each request: limits and views ask several times.
    """
    if "caller" not in g:
        g.caller = _user_from_token()
    return cast("CurrentUser | None", g.caller)


def _user_from_token() -> CurrentUser | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    known = container().token_cache.find(token) if scheme == "Bearer" else None
    if known is not None:
        g.asked["user_id"] = known.user_id
        return known
    try:
        if verify_jwt_in_request(optional=True) is None:
            return None
    except (JWTExtendedException, PyJWTError):
        return None
    found = cast("CurrentUser", get_current_user())
    key_id = get_jwt_header().get("kid")
    if scheme == "Bearer" and key_id is not None:
        container().token_cache.keep(token, found, str(key_id), float(get_jwt()["exp"]))
    return found


def create_tokens(grant: TokenGrant) -> dict[str, str]:
    """Make the pair of tokens that a grant stands for."""
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
        raise InvalidTokenError("no key of that name")
    return key.secret


def _signing_key() -> Key:
    """One key for the whole request, whatever is rotated meanwhile."""
    if "signing_key" not in g:
        g.signing_key = container().signing_keys.current()
    return cast("Key", g.signing_key)


@jwt.user_lookup_loader
def _load_user(_: _Claims, claims: _Claims) -> CurrentUser | None:
    try:
        session_id = UUID(str(claims.get("sid")))
    except ValueError:
        return None
    found = sessions.current_user(session_id)
    if found is not None:
        g.asked["user_id"] = found.user_id
    return found


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

"""Who is calling: the JWT extension's set-up, and the decorator that guards a view by role."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

from flask import Response, g
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_current_user,
    get_jwt,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import PyJWTError

from app.api.problems import problem
from app.domain.errors import NotAllowed
from app.domain.roles import Caller, Role
from app.services import sessions
from app.services.sessions import Grant

EVERYBODY = tuple(Role)

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Claims = dict[str, Any]

jwt = JWTManager()


def requires(*roles: Role) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Let a view be called with an access token of somebody who has one of these roles."""

    def decorate(view: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(view)
        def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            if caller_if_known() is None:
                verify_jwt_in_request()  # says what is wrong with the token
            if caller().role not in roles:
                raise NotAllowed("Your role may not do this")
            return view(*args, **kwargs)

        return guarded

    return decorate


def caller() -> Caller:
    """Who calls the guarded view that runs."""
    return cast("Caller", get_current_user())


def refresh_token() -> tuple[UUID, str]:
    """The login and the id of the refresh token that this request must carry."""
    verify_jwt_in_request(refresh=True)
    return caller().session_id, str(get_jwt()["jti"])


def caller_if_known() -> Caller | None:
    """Who calls, where the access token is good; None in every other case, with no error.

    Worked out once for each request: limits and views ask several times.
    """
    if "caller" not in g:
        g.caller = _caller_of_token()
    return cast("Caller | None", g.caller)


def _caller_of_token() -> Caller | None:
    try:
        if verify_jwt_in_request(optional=True) is None:
            return None
    except (JWTExtendedException, PyJWTError):
        return None
    return cast("Caller", get_current_user())


def tokens(grant: Grant) -> dict[str, str]:
    """Make the pair of tokens that a grant stands for."""
    identity, claims = str(grant.user_id), {"sid": str(grant.session_id)}
    return {
        "access_token": create_access_token(identity, additional_claims=claims),
        "refresh_token": create_refresh_token(
            identity, additional_claims=claims | {"jti": grant.refresh_id}
        ),
    }


@jwt.user_lookup_loader
def _look_up(_: _Claims, claims: _Claims) -> Caller | None:
    try:
        session_id = UUID(str(claims.get("sid")))
    except ValueError:
        return None
    return sessions.identify(session_id)


@jwt.user_lookup_error_loader
def _refuse_ended(_: _Claims, __: _Claims) -> Response:
    return problem(401, sessions.REVOKED, key="msg")


@jwt.expired_token_loader
def _refuse_expired(_: _Claims, __: _Claims) -> Response:
    return problem(401, "Token has expired", key="msg")


@jwt.unauthorized_loader
def _refuse_missing(_: str) -> Response:
    return problem(401, "Missing Authorization Header", key="msg")


@jwt.invalid_token_loader
def _refuse_malformed(_: str) -> Response:
    return problem(422, "Invalid token", key="msg")

"""Fall back to Flask for requests that the fast path accepted and could not answer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import Flask, Response, g, request

from app.domain.roles import CurrentUser

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_KEY = "cifra.fallback"


@dataclass(frozen=True)
class Fallback:
    """The authenticated user, the error to raise, and the rate limit headers of the counted hit."""

    user: CurrentUser
    error: Exception
    headers: list[tuple[str, str]]


def fall_back(environ: "WSGIEnvironment", fallback: Fallback) -> None:
    """Make Flask answer this request with the error, as if a view had raised it."""
    environ[_KEY] = fallback


def register(app: Flask) -> None:
    """Register the functions that raise the error and add the headers.

    Call it before the limiter is initialized: raising first skips the limiter, which would count
    the request a second time. `test_both_paths_count_in_the_same_windows` and
    `test_an_exceeded_limit_is_a_429_on_both_paths` hold that.
    """
    app.before_request(_reraise)
    app.after_request(_add_headers)


def _reraise() -> None:
    fallback = _current_fallback()
    if fallback is not None:
        g.current_user = fallback.user
        g.log_context["user_id"] = fallback.user.user_id
        raise fallback.error


def _add_headers(response: Response) -> Response:
    fallback = _current_fallback()
    if fallback is not None:
        for name, value in fallback.headers:
            response.headers.setdefault(name, value)
    return response


def _current_fallback() -> Fallback | None:
    return cast("Fallback | None", request.environ.get(_KEY))

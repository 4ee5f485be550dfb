"""Requests that the express way took up and could not answer, as Flask goes on with them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import Flask, Response, g, request

from app.domain.roles import CurrentUser

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_KEY = "cifra.handed"


@dataclass(frozen=True)
class Fallback:
    """Who called, what is to be answered, and the headers that tell of the limit it counted in."""

    caller: CurrentUser
    error: Exception
    headers: list[tuple[str, str]]


def fall_back(environ: "WSGIEnvironment", handed: Fallback) -> None:
    """Have Flask answer this request with the error, as if a view had raised it."""
    environ[_KEY] = handed


def register(app: Flask) -> None:
    """Let an application take what is handed on."""
    app.before_request(_reraise)
    app.after_request(_add_headers)


def _reraise() -> None:
    handed = _current_fallback()
    if handed is not None:
        g.caller = handed.caller
        g.asked["user_id"] = handed.caller.user_id
        raise handed.error


def _add_headers(response: Response) -> Response:
    handed = _current_fallback()
    if handed is not None:
        for name, told in handed.headers:
            response.headers.setdefault(name, told)
    return response


def _current_fallback() -> Fallback | None:
    return cast("Fallback | None", request.environ.get(_KEY))

"""The one table from an error to its status; every error leaves as JSON from here."""

import logging

from flask import Flask, Response
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, TooManyRequests

from app.api.http.problem_details import problem, speaks_spanish
from app.domain import errors

RETRY_AFTER_S = 5

_STATUS: dict[type[errors.CifraError], tuple[int, str]] = {
    errors.InvalidInput: (400, "Invalid input"),
    errors.WeakPassword: (400, "Weak password"),
    errors.NotAuthenticated: (401, "Not authenticated"),
    errors.NotAllowed: (403, "Not allowed"),
    errors.NotFound: (404, "Not found"),
    errors.Conflict: (409, "Conflict"),
    errors.Contradiction: (422, "Contradiction"),
    errors.NothingToLearn: (422, "Not enough labels"),
    errors.UnfitModel: (422, "Invalid model"),
    errors.Unavailable: (503, "Unavailable"),
    errors.UnreadablePicture: (415, "Unreadable image"),
    errors.PictureTooLarge: (413, "Image too large"),
    errors.NoDigit: (422, "No digit"),
    errors.SeveralDigits: (422, "Several digits"),
}

# Old clients show what stands under `error` on predict routes, and it has always been Spanish.
_SPANISH: dict[type[errors.CifraError], str] = {
    errors.UnreadablePicture: "No se pudo leer la imagen",
    errors.PictureTooLarge: "La imagen es demasiado grande",
    errors.NoDigit: "No se encontró ningún dígito en la imagen",
    errors.SeveralDigits: "La imagen contiene más de un dígito",
}

_HTTP_DETAILS = {
    400: "The request is malformed",
    404: "There is nothing at this address",
    405: "This address does not take that method",
}

_log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Have an application answer every error as this module says; before the limiter is set up."""
    app.after_request(_later)
    app.register_error_handler(errors.CifraError, _domain)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(TooManyRequests, _limited)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(IntegrityError, _overtaken)
    app.register_error_handler(OperationalError, _database)
    app.register_error_handler(PoolTimeoutError, _database)
    app.register_error_handler(Exception, _unforeseen)


def refuse_body(_: Exception) -> Response:
    """Answer a body that the HTTP server itself could not make sense of."""
    return problem(400, "The body is malformed")


def status_of(kind: type[errors.CifraError]) -> tuple[int, str]:
    """The status of a kind of error, and its title."""
    return _STATUS[kind]


def describe(error: errors.CifraError) -> dict[str, str | int]:
    """An error as a batch lists it beside the answers."""
    status, title = _STATUS[type(error)]
    return {"error": _shown(error), "status": status, "title": title, "detail": error.message}


def _domain(error: errors.CifraError) -> Response:
    status, title = _STATUS[type(error)]
    return problem(status, error.message, title=title, shown=_shown(error))


def _shown(error: errors.CifraError) -> str:
    return _SPANISH.get(type(error), error.message)


def _too_large(_: RequestEntityTooLarge) -> Response:
    shown = "La petición es demasiado grande" if speaks_spanish() else None
    return problem(413, "The body is larger, or in more parts, than this route takes", shown=shown)


def _limited(error: TooManyRequests) -> Response:
    return problem(429, f"Rate limit exceeded: {error.description}", title="Rate limit exceeded")


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    response = problem(status, _HTTP_DETAILS.get(status, error.name), title=error.name)
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response


def _overtaken(_: IntegrityError) -> Response:
    return problem(409, "Another request changed this at the same time", title="Conflict")


def _database(error: OperationalError | PoolTimeoutError) -> Response:
    said = str(getattr(error, "orig", None) or error).splitlines()[0]
    _log.error("the database did not answer: %s", said)
    return problem(503, "The database does not answer", title="Unavailable")


def _unforeseen(error: Exception) -> Response:
    _log.error("an error that nobody foresaw", exc_info=error)
    return problem(500, "Something broke on our side", title="Internal error")


def _later(response: Response) -> Response:
    """Say when to come back, in place of what the limiter says of its own window."""
    if response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response

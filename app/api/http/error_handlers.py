"""The one table that maps errors to statuses; every error response is JSON and made here."""

import logging
from functools import partial

from flask import Flask, Response
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, TooManyRequests

from app.api.http.problem_details import is_predict_route, problem
from app.domain import errors
from app.store.engine.database_errors import FailureLog, describe

RETRY_AFTER_S = 5

_STATUS: dict[type[errors.CifraError], tuple[int, str]] = {
    errors.InvalidInput: (400, "Invalid input"),
    errors.WeakPassword: (400, "Weak password"),
    errors.NotAuthenticated: (401, "Not authenticated"),
    errors.NotAllowed: (403, "Not allowed"),
    errors.NotFound: (404, "Not found"),
    errors.Conflict: (409, "Conflict"),
    errors.ContradictoryFeedback: (422, "Contradiction"),
    errors.NotEnoughLabels: (422, "Not enough labels"),
    errors.InvalidModel: (422, "Invalid model"),
    errors.Unavailable: (503, "Unavailable"),
    errors.UnreadableImage: (415, "Unreadable image"),
    errors.ImageTooLarge: (413, "Image too large"),
    errors.NoDigit: (422, "No digit"),
    errors.MultipleDigits: (422, "Several digits"),
}

# Old clients show the text under `error` of predict routes, and it has always been Spanish.
_SPANISH: dict[type[errors.CifraError], str] = {
    errors.UnreadableImage: "No se pudo leer la imagen",
    errors.ImageTooLarge: "La imagen es demasiado grande",
    errors.NoDigit: "No se encontró ningún dígito en la imagen",
    errors.MultipleDigits: "La imagen contiene más de un dígito",
}

_HTTP_DETAILS = {
    400: "The request is malformed",
    404: "There is nothing at this address",
    405: "This address does not support that method",
}

_log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Register the error handlers; call it before the limiter is initialized.

    Flask runs `after_request` functions in reverse order, so `_add_retry_after` runs after the
    limiter's and replaces its header.
    """
    app.after_request(_add_retry_after)
    app.register_error_handler(errors.CifraError, _domain_error)
    app.register_error_handler(RequestEntityTooLarge, _body_too_large)
    app.register_error_handler(TooManyRequests, _rate_limited)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(IntegrityError, _integrity_error)
    database_error = partial(_database_error, FailureLog(_log))
    app.register_error_handler(DBAPIError, database_error)
    app.register_error_handler(PoolTimeoutError, database_error)
    app.register_error_handler(Exception, _internal_error)


def reject_malformed_body(_: Exception) -> Response:
    """Answer a request whose body the HTTP server itself could not parse."""
    return problem(400, "The body is malformed")


def status_and_title(kind: type[errors.CifraError]) -> tuple[int, str]:
    """Return the status of an error class, and its title."""
    return _STATUS[kind]


def batch_item(error: errors.CifraError) -> dict[str, str | int]:
    """Return an error as a batch response lists it beside the predictions."""
    status, title = _STATUS[type(error)]
    return {
        "error": _legacy_message(error),
        "status": status,
        "title": title,
        "detail": error.message,
    }


def _domain_error(error: errors.CifraError) -> Response:
    status, title = _STATUS[type(error)]
    return problem(status, error.message, title=title, legacy_message=_legacy_message(error))


def _legacy_message(error: errors.CifraError) -> str:
    return _SPANISH.get(type(error), error.message)


def _body_too_large(_: RequestEntityTooLarge) -> Response:
    spanish = "La petición es demasiado grande" if is_predict_route() else None
    detail = "The body is larger, or has more parts, than this route accepts"
    return problem(413, detail, legacy_message=spanish)


def _rate_limited(error: TooManyRequests) -> Response:
    return problem(429, f"Rate limit exceeded: {error.description}", title="Rate limit exceeded")


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    response = problem(status, _HTTP_DETAILS.get(status, error.name), title=error.name)
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response


def _integrity_error(_: IntegrityError) -> Response:
    return problem(409, "Another request changed this at the same time", title="Conflict")


def _database_error(log: FailureLog, error: DBAPIError | PoolTimeoutError) -> Response:
    failure = describe(error)
    if failure is None:
        return _internal_error(error)
    log.report(failure)
    return problem(503, failure.summary, title="Unavailable")


def _internal_error(error: Exception) -> Response:
    _log.error("unhandled exception", exc_info=error)
    return problem(500, "Internal server error", title="Internal error")


def _add_retry_after(response: Response) -> Response:
    """Set Retry-After on a 503, in place of the limiter's, which names the end of its window."""
    if response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response

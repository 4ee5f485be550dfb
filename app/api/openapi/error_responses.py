"""The error responses of a route: implied by its input, or named by its decorator."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.api.http.contract import Schema
from app.api.http.error_handlers import status_and_title
from app.api.http.problem_details import PREDICT_ROUTES
from app.api.openapi.routes import Route
from app.api.schemas.errors import PredictProblem, Problem
from app.domain import errors
from app.domain.roles import Role

_IMAGE_ERRORS = (
    errors.UnreadableImage,
    errors.ImageTooLarge,
    errors.NoDigit,
    errors.MultipleDigits,
)


@dataclass(frozen=True)
class ErrorResponse:
    """An error response: its status, its meaning, and the schema of its body."""

    status: int
    meaning: str
    schema: Schema


def list_error_responses(route: Route) -> Iterator[ErrorResponse]:
    """List the error responses of a route; several may have the same status."""
    contract = route.contract
    schema = PredictProblem if route.path.startswith(PREDICT_ROUTES) else Problem
    if contract.token is not None:  # token errors have the same body on all routes
        yield ErrorResponse(401, "No token, or an expired or revoked one", Problem)
        yield ErrorResponse(422, "A malformed token, or one of the wrong type", Problem)
    for status, meaning in _from_input(route):
        yield ErrorResponse(status, meaning, schema)
    if route.is_limited:
        yield ErrorResponse(429, "Too many requests", schema)
        yield ErrorResponse(503, "The database cannot be used at the moment", schema)
    for error in (*contract.errors, *(_IMAGE_ERRORS if contract.max_images == 1 else ())):
        yield ErrorResponse(*_from_error(error), schema)


def _from_input(route: Route) -> Iterator[tuple[int, str]]:
    contract = route.contract
    has_body = contract.body is not None or contract.max_images
    if contract.roles != frozenset(Role):
        yield 403, "Your role may not do this"
    if route.path_parameters:
        yield 404, "Not found, or not yours"
    if has_body or contract.query is not None:
        yield 400, "Invalid input"
    if has_body:
        yield 413, "The body is too large"
    if route.is_writing and route.is_limited:
        yield 409, "Another request changed this at the same time"


def _from_error(error: type[errors.CifraError]) -> tuple[int, str]:
    status, title = status_and_title(error)
    summary = (error.__doc__ or "").partition("\n")[0].rstrip(".")
    return status, f"{title}: {summary[:1].lower()}{summary[1:]}"

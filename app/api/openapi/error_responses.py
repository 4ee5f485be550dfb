"""How a route may refuse: most of it follows from what it takes, the rest its decorator names."""

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
    """One way to refuse: its status, what it means, and the shape of its body."""

    status: int
    meaning: str
    shape: Schema


def list_error_responses(route: Route) -> Iterator[ErrorResponse]:
    """Every way in which a route may refuse; several may have one status."""
    contract = route.contract
    shape = PredictProblem if route.path.startswith(PREDICT_ROUTES) else Problem
    if contract.token is not None:  # what concerns tokens has one shape everywhere
        yield ErrorResponse(401, "No token, or one that has ended", Problem)
        yield ErrorResponse(422, "A malformed token, or one of the other kind", Problem)
    for status, meaning in _of_input(route):
        yield ErrorResponse(status, meaning, shape)
    if route.is_limited:
        yield ErrorResponse(429, "Too many calls", shape)
        yield ErrorResponse(503, "The database does not answer", shape)
    for error in (*contract.raises, *(_IMAGE_ERRORS if contract.pictures == 1 else ())):
        yield ErrorResponse(*_of_error(error), shape)


def _of_input(route: Route) -> Iterator[tuple[int, str]]:
    contract = route.contract
    takes_body = contract.body is not None or contract.pictures
    if contract.roles != frozenset(Role):
        yield 403, "Your role may not do this"
    if route.places:
        yield 404, "There is no such thing, or it is not yours"
    if takes_body or contract.query is not None:
        yield 400, "What was sent cannot be understood"
    if takes_body:
        yield 413, "The body is too large"
    if route.is_writing and route.is_limited:
        yield 409, "Another request changed this at the same time"


def _of_error(error: type[errors.CifraError]) -> tuple[int, str]:
    status, title = status_and_title(error)
    said = (error.__doc__ or "").partition("\n")[0].rstrip(".")
    return status, f"{title}: {said[:1].lower()}{said[1:]}"

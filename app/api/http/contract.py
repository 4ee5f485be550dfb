"""Declare the requests, responses and errors of a view; app/api/openapi/document.py publishes them.

The decorators check nothing: views parse their input themselves, after authentication.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from app.domain.errors import CifraError
from app.domain.roles import Role

JSON = "application/json"

View = TypeVar("View", bound=Callable[..., Any])
Schema = type[BaseModel]

_KEY = "contract"


@dataclass(frozen=True)
class Contract:
    """A view's contract: its request, its successful response and the domain errors it may raise.

    `media` maps the media types of a successful response to their schemas; None is a body that is
    not JSON.
    """

    token: Literal["access", "refresh"] | None = None
    roles: frozenset[Role] = frozenset(Role)
    body: Schema | None = None
    query: Schema | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    max_images: int = 0
    status: int | None = None
    media: Mapping[str, Schema | None] = field(default_factory=dict)
    response_headers: tuple[str, ...] = ()
    errors: tuple[type[CifraError], ...] = ()


def contract_of(view: Callable[..., Any]) -> Contract:
    """Return what the decorators of a view declare."""
    contract: Contract = vars(view).get(_KEY, Contract())
    return contract


def request_body(body: Schema) -> Callable[[View], View]:
    """Declare the JSON object that a view reads from the body."""
    return _declare(body=body)


def request_query(query: Schema) -> Callable[[View], View]:
    """Declare what a view reads from the query string."""
    return _declare(query=query)


def request_headers(**headers: str) -> Callable[[View], View]:
    """Declare the headers that a view reads, with descriptions; `_` in a name stands for `-`."""
    return _declare(headers={name.replace("_", "-"): text for name, text in headers.items()})


def request_images(max_images: int = 1) -> Callable[[View], View]:
    """Declare how many images a view reads; if only one, the body may be the image itself."""
    return _declare(max_images=max_images)


def request_token(kind: Literal["access", "refresh"], *roles: Role) -> Callable[[View], View]:
    """Declare which token a view requires, and the roles allowed; none given means all."""
    return _declare(token=kind, roles=frozenset(roles or Role))


def responds(
    schema: Schema | None = None,
    *,
    status: int = 200,
    also: tuple[str, ...] = (),
    headers: tuple[str, ...] = (),
) -> Callable[[View], View]:
    """Declare a successful response: in JSON, in other media types, or in either."""
    media: dict[str, Schema | None] = {} if schema is None else {JSON: schema}
    media |= dict.fromkeys(also)
    return _declare(status=status, media=media, response_headers=headers)


def error_responses(*errors: type[CifraError]) -> Callable[[View], View]:
    """Declare the errors that this view's service raises; those of its input are implied."""
    return _declare(errors=errors)


def require_fields(**fields: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema of objects in which these fields are required and not null."""
    properties = {name: schema or {"not": {"type": "null"}} for name, schema in fields.items()}
    return {"required": [*fields], "properties": properties}


def _declare(**changes: Any) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        vars(view)[_KEY] = replace(contract_of(view), **changes)
        return view

    return decorate

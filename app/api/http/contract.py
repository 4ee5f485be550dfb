"""Declare what a view takes, answers and rejects; app/api/openapi/document.py publishes it.

The decorators check nothing: views parse by themselves, after their caller is known.
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
    """A view's contract: what it takes, how it answers, and the domain errors that it may raise.

    `media` holds the successful bodies by media type; None is a body that is not JSON.
    """

    token: Literal["access", "refresh"] | None = None
    roles: frozenset[Role] = frozenset(Role)
    body: Schema | None = None
    query: Schema | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pictures: int = 0
    status: int | None = None
    media: Mapping[str, Schema | None] = field(default_factory=dict)
    response_headers: tuple[str, ...] = ()
    error_responses: tuple[type[CifraError], ...] = ()


def contract_of(view: Callable[..., Any]) -> Contract:
    """What the decorators of a view say."""
    found: Contract = vars(view).get(_KEY, Contract())
    return found


def request_body(body: Schema) -> Callable[[View], View]:
    """Say which JSON object a view reads from the body."""
    return _declare(body=body)


def request_query(query: Schema) -> Callable[[View], View]:
    """Say what a view reads from the query string."""
    return _declare(query=query)


def request_headers(**headers: str) -> Callable[[View], View]:
    """Say which headers a view looks at, and what each is for; `_` stands for `-`."""
    return _declare(headers={name.replace("_", "-"): text for name, text in headers.items()})


def request_images(most: int = 1) -> Callable[[View], View]:
    """Say how many pictures a view reads; where it is one, the body may be the picture itself."""
    return _declare(pictures=most)


def request_token(kind: Literal["access", "refresh"], *roles: Role) -> Callable[[View], View]:
    """Say which token a view asks for, and of whom; no roles are all of them."""
    return _declare(token=kind, roles=frozenset(roles or Role))


def responds(
    shape: Schema | None = None,
    *,
    status: int = 200,
    also: tuple[str, ...] = (),
    headers: tuple[str, ...] = (),
) -> Callable[[View], View]:
    """Say how a view answers when all is well: in JSON, in other media types, or in either."""
    media: dict[str, Schema | None] = {} if shape is None else {JSON: shape}
    media |= dict.fromkeys(also)
    return _declare(status=status, media=media, response_headers=headers)


def error_responses(*errors: type[CifraError]) -> Callable[[View], View]:
    """Name the errors that only this view's service knows; those of its input go without saying."""
    return _declare(raises=errors)


def require_fields(**fields: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema of objects that have these fields, none of them null, each as it says."""
    properties = {name: schema or {"not": {"type": "null"}} for name, schema in fields.items()}
    return {"required": [*fields], "properties": properties}


def _declare(**said: Any) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        vars(view)[_KEY] = replace(contract_of(view), **said)
        return view

    return decorate

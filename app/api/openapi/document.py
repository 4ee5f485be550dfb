"""The OpenAPI 3.1 document, made from the routes and from what their decorators say."""

import sys

from apispec import APISpec
from flask import Flask

from app.api.http import refresh_cookie
from app.api.openapi.json_schemas import Json, components
from app.api.openapi.operations import Operations
from app.api.openapi.routes import Route, list_routes
from app.api.schemas.errors import PredictProblem, Problem
from app.version import VERSION

TITLE = "Cifra"

_ABOUT = """Two versions of a digit model, an A/B test between them, and what people say of both.

Get a token from `POST /login` and send it as `Authorization: Bearer TOKEN`. Every error is JSON
with the fields of RFC 9457 and, for old clients, `error` on predict routes or `msg` elsewhere. A
500 with the same body is a fault of ours. `X-Request-ID` names a request; a plain one that you send
is kept.
"""

_BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
_SECURITY_SCHEMES: dict[str, Json] = {
    "access": {**_BEARER, "description": "the `access_token` of a login"},
    "refresh": {**_BEARER, "description": "the `refresh_token` of a login"},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": refresh_cookie.NAME,
        "description": "the refresh token of a page, together with the page's own Origin",
    },
}

_WHOLE = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_HEADERS: dict[str, Json] = {
    "X-Request-ID": {
        "description": "names this request",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "X-RateLimit-Limit": {"description": "calls that a client has", "schema": _WHOLE},
    "X-RateLimit-Remaining": {"description": "calls that are left", "schema": _WHOLE},
    "X-RateLimit-Reset": {"description": "when all are back, in Unix seconds", "schema": _WHOLE},
    "Retry-After": {"description": "seconds to wait", "required": True, "schema": _WHOLE},
    "Location": {"description": "where to look after it", "required": True, "schema": _TEXT},
    "Set-Cookie": {"description": "the refresh token, where a page asked so", "schema": _TEXT},
}


def build_document(app: Flask) -> Json:
    """Describe every route of an application but its pages'."""
    found = list(list_routes(app))
    bodies = {each.contract.body for each in found if each.contract.body is not None}
    answers = {shape for each in found for shape in each.contract.media.values() if shape}
    references, schemas = components(bodies, {*answers, Problem, PredictProblem})
    operations = Operations(references, schemas)
    spec = APISpec(
        TITLE,
        VERSION,
        "3.1.0",
        info={"description": _ABOUT},
        servers=[{"url": "/"}],
        tags=_tags(app, found),
    )
    for name, scheme in _SECURITY_SCHEMES.items():
        spec.components.security_scheme(name, scheme)
    for name, header in _HEADERS.items():
        spec.components.header(name, header)
    for name, schema in schemas.items():
        spec.components.schema(name, schema)
    for each in found:
        spec.path(each.path, operations={each.method: operations.operation(each)})
    return spec.to_dict()


def _tags(app: Flask, found: list[Route]) -> list[Json]:
    """A tag for each blueprint, with the words that its module opens with."""
    modules = {each.tag: app.view_functions[each.endpoint].__module__ for each in found}
    return [
        {"name": tag, "description": (sys.modules[module].__doc__ or "").strip()}
        for tag, module in modules.items()
    ]

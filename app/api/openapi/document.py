"""The OpenAPI 3.1 document, built from the routes and their decorators."""

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

_DESCRIPTION = """Two versions of a digit model, an A/B test between them, and users' feedback.

Get a token from `POST /login` and send it as `Authorization: Bearer TOKEN`. Every error is JSON
with the fields of RFC 9457 and, for old clients, `error` on predict routes or `msg` elsewhere. An
internal error is a 500 with the same body. `X-Request-ID` identifies a request; if you send one of
letters, digits, `.`, `_` and `-`, it is used.
"""

_BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
_SECURITY_SCHEMES: dict[str, Json] = {
    "access": {**_BEARER, "description": "the `access_token` of a login"},
    "refresh": {**_BEARER, "description": "the `refresh_token` of a login"},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": refresh_cookie.NAME,
        "description": "the refresh token of a page, sent with the page's own Origin",
    },
}

_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_HEADERS: dict[str, Json] = {
    "X-Request-ID": {
        "description": "identifies this request",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "X-RateLimit-Limit": {"description": "the limit, in requests", "schema": _COUNT},
    "X-RateLimit-Remaining": {
        "description": "requests left in this window",
        "schema": _COUNT,
    },
    "X-RateLimit-Reset": {
        "description": "end of the window, in Unix seconds",
        "schema": _COUNT,
    },
    "Retry-After": {"description": "seconds to wait", "required": True, "schema": _COUNT},
    "Location": {"description": "where to get its state", "required": True, "schema": _TEXT},
    "Set-Cookie": {"description": "the refresh token, if a page requested it", "schema": _TEXT},
}


def build_document(app: Flask) -> Json:
    """Build the document of all routes of an application except its pages."""
    routes = list(list_routes(app))
    bodies = {each.contract.body for each in routes if each.contract.body is not None}
    responses = {schema for each in routes for schema in each.contract.media.values() if schema}
    references, schemas = components(bodies, {*responses, Problem, PredictProblem})
    operations = Operations(references, schemas)
    spec = APISpec(
        TITLE,
        VERSION,
        "3.1.0",
        info={"description": _DESCRIPTION},
        servers=[{"url": "/"}],
        tags=_tags(app, routes),
    )
    for name, scheme in _SECURITY_SCHEMES.items():
        spec.components.security_scheme(name, scheme)
    for name, header in _HEADERS.items():
        spec.components.header(name, header)
    for name, schema in schemas.items():
        spec.components.schema(name, schema)
    for each in routes:
        spec.path(each.path, operations={each.method: operations.build(each)})
    return spec.to_dict()


def _tags(app: Flask, routes: list[Route]) -> list[Json]:
    """Return a tag for each blueprint, described by its module's docstring."""
    modules = {each.tag: app.view_functions[each.endpoint].__module__ for each in routes}
    return [
        {"name": tag, "description": (sys.modules[module].__doc__ or "").strip()}
        for tag, module in modules.items()
    ]

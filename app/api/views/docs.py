"""The API's own description: the OpenAPI document, and a page that shows it and tries it out."""

from flask import Blueprint, Response, current_app, jsonify, render_template

from app.api.http.contract import JSON, responds
from app.api.http.rate_limits import limiter
from app.api.openapi import document as openapi

_EXTENSION_KEY = "cifra-openapi"

# Swagger UI sets styles by script; it loads nothing from elsewhere and runs no script of a page.
_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

blueprint = Blueprint("docs", __name__)
limiter.exempt(blueprint)


@blueprint.get("/openapi.json")
@responds(also=(JSON,))
def document() -> Response:
    """This document."""
    if _EXTENSION_KEY not in current_app.extensions:
        current_app.extensions[_EXTENSION_KEY] = openapi.build_document(current_app)
    return jsonify(current_app.extensions[_EXTENSION_KEY])


@blueprint.get("/docs")
@responds(also=("text/html",))
def swagger_ui() -> Response:
    """A page that shows this document, and can call what it shows."""
    response = Response(render_template("docs.html"), mimetype="text/html")
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response

"""The OpenAPI document, and Swagger UI to browse it."""

from flask import Blueprint, Response, current_app, jsonify, render_template

from app.api.http.contract import JSON, responds
from app.api.http.rate_limits import limiter
from app.api.openapi import document as openapi

_EXTENSION_KEY = "cifra-openapi"

# Swagger UI sets inline styles; it loads nothing from other origins and runs no inline script.
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
    """Get this OpenAPI document."""
    if _EXTENSION_KEY not in current_app.extensions:
        current_app.extensions[_EXTENSION_KEY] = openapi.build_document(current_app)
    return jsonify(current_app.extensions[_EXTENSION_KEY])


@blueprint.get("/docs")
@responds(also=("text/html",))
def swagger_ui() -> Response:
    """Show this document in Swagger UI, where its operations can be tried."""
    response = Response(render_template("docs.html"), mimetype="text/html")
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response

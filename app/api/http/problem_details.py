"""The body of every error: the key that old clients read, and the fields of RFC 9457."""

from http import HTTPStatus

from flask import Response, g, jsonify, request

PREDICT_ROUTES = "/api/"


def problem(
    status: int,
    detail: str,
    *,
    title: str | None = None,
    legacy_message: str | None = None,
    key: str | None = None,
) -> Response:
    """Return an error response.

    Old clients read `legacy_message` (default: the detail) under `error` on predict routes and
    under `msg` everywhere else; `key` overrides that name.
    """
    slug = (title or HTTPStatus(status).phrase).lower().replace(" ", "-")
    response = jsonify(
        {
            key or ("error" if is_predict_route() else "msg"): legacy_message or detail,
            "type": f"urn:cifra:problem:{slug}",
            "title": title or HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "request_id": g.get("request_id"),
        }
    )
    response.status_code = status
    return response


def is_predict_route() -> bool:
    """Return whether this is a predict route, whose errors are in Spanish under `error`."""
    return request.path.startswith(PREDICT_ROUTES)

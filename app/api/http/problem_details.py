"""The one shape of an error body: the old clients' key, and the fields of RFC 9457 beside it."""

from http import HTTPStatus

from flask import Response, g, jsonify, request

PREDICT_ROUTES = "/api/"


def problem(
    status: int,
    detail: str,
    *,
    title: str | None = None,
    shown: str | None = None,
    key: str | None = None,
) -> Response:
    """Make an error answer.

    Old clients read `shown` (the detail, unless given) under `error` on predict routes and under
    `msg` everywhere else; `key` overrides which.
    """
    slug = (title or HTTPStatus(status).phrase).lower().replace(" ", "-")
    response = jsonify(
        {
            key or ("error" if is_predict_route() else "msg"): shown or detail,
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
    """Whether this is a predict route: their errors stand under `error` and are Spanish."""
    return request.path.startswith(PREDICT_ROUTES)

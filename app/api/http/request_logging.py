"""Each request is named, timed, counted and logged, once; never its query, body or headers."""

import logging
import re
import time
from collections.abc import Mapping

from flask import Flask, Response, g, request
from uuid_utils import uuid7

from app.api.http.request_metrics import RequestMetrics, method_label, route_label

ACCESS_LOGGER = "cifra.access"  # the logger of the lines that requests have
MAX_PATH_CHARS = 100  # characters of an address where nothing is; a longer one is cut

# Asked for by machines over and over: at the level DEBUG.
DEBUG_ROUTES = {"/livez", "/readyz", "/health", "/metrics", "/static/<path:filename>"}

_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger(ACCESS_LOGGER)


class AccessLogRecord(logging.LogRecord):
    """A record of a request. Made without what logging finds out for each, as nothing shows it."""

    def __init__(
        self, level: int, asked: Mapping[str, object], status: int, duration_s: float
    ) -> None:
        now_s = time.time()
        self.__dict__ = {
            **_RECORD_DEFAULTS,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "created": now_s,
            "msecs": now_s % 1 * 1000,
            "asked": {**asked, "status": status, "duration_ms": round(duration_s * 1000, 1)},
        }


_RECORD_DEFAULTS = logging.LogRecord(
    ACCESS_LOGGER, logging.INFO, "", 0, "request", None, None
).__dict__


def register(app: Flask, meters: RequestMetrics) -> None:
    """Have an application do so with its requests; before anything else answers them."""

    def note(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        if request.method == "GET" and "Authorization" in request.headers:
            response.headers.setdefault("Cache-Control", "no-store")  # somebody's own
        route, status = route_label(request), response.status_code
        duration_s = time.perf_counter() - g.begun_s
        meters.count(method_label(request), route, status, duration_s)
        level = logging.DEBUG if route in DEBUG_ROUTES else logging.INFO
        if _log.isEnabledFor(level):
            _log.handle(AccessLogRecord(level, g.asked, status, duration_s))
        return response

    app.before_request(_start_request)
    app.after_request(note)


def request_id_from(sent: str) -> str:
    """A request's id: the one that its client sent, where that is plain."""
    return sent if sent and _SAFE_ID.fullmatch(sent) else uuid7().hex


def _start_request() -> None:
    """Note what each log line of this request is to carry; who asks is added once it is known."""
    route = route_label(request)
    g.begun_s, g.request_id = (
        time.perf_counter(),
        request_id_from(request.headers.get("X-Request-ID", "")),
    )
    place = {"path": request.path[:MAX_PATH_CHARS]} if route is None else {"route": route}
    g.asked = {"request_id": g.request_id, "method": method_label(request), **place}

"""Give each request an id, time it, count it and log it once; never its query, body or headers."""

import logging
import re
import time
from collections.abc import Mapping

from flask import Flask, Response, g, request
from uuid_utils import uuid7

from app.api.http.request_metrics import RequestMetrics, method_label, route_label

ACCESS_LOGGER = "cifra.access"  # the logger of access log lines
MAX_PATH_CHARS = 100  # of an unknown path; a longer one is cut

# Requested by machines over and over: logged at the level DEBUG.
DEBUG_ROUTES = {"/livez", "/readyz", "/health", "/metrics", "/static/<path:filename>"}

_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger(ACCESS_LOGGER)


class AccessLogRecord(logging.LogRecord):
    """The log record of a request.

    Built without what logging looks up for each record (caller, thread, process): no formatter
    shows it, and it was one of the most expensive steps of a request.
    """

    def __init__(
        self, level: int, context: Mapping[str, object], status: int, duration_s: float
    ) -> None:
        now_s, duration_ms = time.time(), round(duration_s * 1000, 1)
        self.__dict__ = {
            **_RECORD_DEFAULTS,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "created": now_s,
            "msecs": now_s % 1 * 1000,
            "log_context": {
                **context,
                "status": status,
                "duration_ms": duration_ms,
            },
        }


_RECORD_DEFAULTS = logging.LogRecord(
    ACCESS_LOGGER, logging.INFO, "", 0, "request", None, None
).__dict__


def register(app: Flask, request_metrics: RequestMetrics) -> None:
    """Log and count all requests; call it first, so that it times the whole request."""

    def log_request(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        if request.method == "GET" and "Authorization" in request.headers:
            response.headers.setdefault("Cache-Control", "no-store")  # a user's own data
        route, status = route_label(request), response.status_code
        duration_s = time.perf_counter() - g.started_at_s
        request_metrics.record(method_label(request), route, status, duration_s)
        level = logging.DEBUG if route in DEBUG_ROUTES else logging.INFO
        if _log.isEnabledFor(level):
            _log.handle(AccessLogRecord(level, g.log_context, status, duration_s))
        return response

    app.before_request(_start_request)
    app.after_request(log_request)


def request_id_from(sent: str) -> str:
    """Return the id that the client sent if it is safe to log, else a new one."""
    return sent if sent and _SAFE_ID.fullmatch(sent) else uuid7().hex


def _start_request() -> None:
    """Set what each log line of this request carries; authentication adds the user later."""
    route = route_label(request)
    g.started_at_s, g.request_id = (
        time.perf_counter(),
        request_id_from(request.headers.get("X-Request-ID", "")),
    )
    location = {"path": request.path[:MAX_PATH_CHARS]} if route is None else {"route": route}
    g.log_context = {"request_id": g.request_id, "method": method_label(request), **location}

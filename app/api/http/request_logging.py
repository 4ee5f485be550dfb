"""Each request is named, timed, counted and logged, once; never its query, body or headers."""

import logging
import re
import time
from collections.abc import Mapping

from flask import Flask, Response, g, request
from uuid_utils import uuid7

from app.api.http.request_metrics import Meters, method_of, route_of

ACCESS = "cifra.access"  # the logger of the lines that requests have
MOST_PATH = 100  # characters of an address where nothing is; a longer one is cut

# Asked for by machines over and over: at the level DEBUG.
QUIET = {"/livez", "/readyz", "/health", "/metrics", "/static/<path:filename>"}

_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger(ACCESS)


class Line(logging.LogRecord):
    """A record of a request. Made without what logging finds out for each, as nothing shows it."""

    def __init__(
        self, level: int, asked: Mapping[str, object], status: int, duration_s: float
    ) -> None:
        now_s = time.time()
        self.__dict__ = {
            **_NOWHERE,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "created": now_s,
            "msecs": now_s % 1 * 1000,
            "asked": {**asked, "status": status, "duration_ms": round(duration_s * 1000, 1)},
        }


_NOWHERE = logging.LogRecord(ACCESS, logging.INFO, "", 0, "request", None, None).__dict__


def register(app: Flask, meters: Meters) -> None:
    """Have an application do so with its requests; before anything else answers them."""

    def note(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        if request.method == "GET" and "Authorization" in request.headers:
            response.headers.setdefault("Cache-Control", "no-store")  # somebody's own
        route, status = route_of(request), response.status_code
        duration_s = time.perf_counter() - g.begun_s
        meters.count(method_of(request), route, status, duration_s)
        level = logging.DEBUG if route in QUIET else logging.INFO
        if _log.isEnabledFor(level):
            _log.handle(Line(level, g.asked, status, duration_s))
        return response

    app.before_request(_begin)
    app.after_request(note)


def name_of(sent: str) -> str:
    """A request's id: the one that its client sent, where that is plain."""
    return sent if sent and _PLAIN_ID.fullmatch(sent) else uuid7().hex


def _begin() -> None:
    """Note what each log line of this request is to carry; who asks is added once it is known."""
    route = route_of(request)
    g.begun_s, g.request_id = time.perf_counter(), name_of(request.headers.get("X-Request-ID", ""))
    place = {"path": request.path[:MOST_PATH]} if route is None else {"route": route}
    g.asked = {"request_id": g.request_id, "method": method_of(request), **place}

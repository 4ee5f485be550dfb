"""The express way: predictions that are plain in every way, answered ahead of Flask.

Plain is what nearly all are: a POST of one small picture, with a token that was verified before,
a body of a known length and nothing that a browser's page would add. Token, limit, counters and
log are those of every request. What is not plain is Flask's, and so is every error:
docs/decisions/0017.

What arrives together is answered together, by one thread, each step for all of it.
"""

import io
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import TooManyRequests

from app.api.fastpath.fallback import Fallback, fall_back
from app.api.http.container import Container
from app.api.http.json_provider import OrjsonProvider
from app.api.http.multipart import parse_single_file
from app.api.http.rate_limits import WindowStats, hit_many
from app.api.http.request_logging import ACCESS_LOGGER, AccessLogRecord, request_id_from
from app.api.http.request_parsing import MAX_IMAGE_BODY_BYTES
from app.api.schemas import serializers
from app.api.schemas.serializers import Json as Shown
from app.domain.assignment import Version
from app.domain.errors import CifraError
from app.domain.predictions import Prediction
from app.domain.roles import CurrentUser
from app.imaging.decoding import is_small_png
from app.services.predictions.predictor import MAX_BATCH_SIZE, PredictionRequest
from app.services.predictions.request_batcher import RequestBatcher

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_OK = "200 OK"
_CONSTANT = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")]
_log = logging.getLogger(ACCESS_LOGGER)


@dataclass(frozen=True)
class _FastRoute:
    """A route: its view's endpoint, its limit, what it asks, and how the answer is shown."""

    route: str
    endpoint: str
    limit: str
    ask: Callable[[int, bytes], PredictionRequest]
    show: Callable[[Prediction], Shown]


class _FastRequest(NamedTuple):
    """A plain request, and when it was first looked at."""

    begun_s: float
    lane: _FastRoute
    environ: "WSGIEnvironment"
    caller: CurrentUser
    asked: PredictionRequest


class _FastResponse(NamedTuple):
    headers: list[tuple[str, str]]
    body: bytes


class FastPath:
    """WSGI middleware around all others: what it answers needs none of them."""

    def __init__(self, app: Flask, wired: Container) -> None:
        self._next_app: WSGIApplication = app.wsgi_app
        self._wired = wired
        self._json = OrjsonProvider(app)
        self._lanes = {lane.route: lane for lane in _fast_routes(wired)}
        self._together = RequestBatcher(self._respond_many, MAX_BATCH_SIZE)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a plain prediction; leave everything else to the others, as it came."""
        lane = self._lanes.get(environ["PATH_INFO"])
        if lane is not None and environ["REQUEST_METHOD"] == "POST":
            call = self._accept(lane, environ)
            answer = None if call is None else self._answer(call)
            if answer is not None:
                start_response(_OK, answer.headers)
                return [answer.body]
        return self._next_app(environ, start_response)

    def _answer(self, call: _FastRequest) -> _FastResponse | None:
        """The answer, worked out with those of others; None where Flask is to give it."""
        try:
            return self._together.submit(call)
        except Exception as error:  # noqa: BLE001  not swallowed: Flask raises it again
            fall_back(call.environ, Fallback(call.caller, error, []))
            return None

    def _accept(self, lane: _FastRoute, environ: "WSGIEnvironment") -> _FastRequest | None:
        """A request as a plain one; None where it is not plain."""
        begun_s = time.perf_counter()
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme != "Bearer" or "HTTP_ORIGIN" in environ or environ.get("SCRIPT_NAME"):
            return None
        try:
            caller = self._wired.token_cache.find(token)
            picture = None if caller is None else _read_image(environ)
            if caller is None or picture is None or not is_small_png(picture):
                return None
            return _FastRequest(begun_s, lane, environ, caller, lane.ask(caller.user_id, picture))
        except (CifraError, SQLAlchemyError):  # nothing was counted yet, and Flask meets it too
            return None

    def _respond_many(
        self, calls: Sequence[_FastRequest]
    ) -> list[_FastResponse | Exception | None]:
        """An answer for each; None where Flask is to answer, with what went wrong handed on."""
        spent = hit_many(
            [(call.caller.user_id, call.lane.endpoint, call.lane.limit) for call in calls]
        )
        let_through = [
            call.asked for call, each in zip(calls, spent, strict=True) if each.full is None
        ]
        read = iter(self._wired.reader.predict_many(let_through))
        return [
            self._finished(
                call, each.window, next(read) if each.full is None else TooManyRequests(each.full)
            )
            for call, each in zip(calls, spent, strict=True)
        ]

    def _finished(
        self, call: _FastRequest, window: WindowStats | None, made: Prediction | Exception
    ) -> _FastResponse | None:
        """The answer, counted and logged as app/api/http/request_logging.py does."""
        headers = [] if window is None else window.headers
        if isinstance(made, Exception):
            fall_back(call.environ, Fallback(call.caller, made, headers))
            return None
        lane, body = call.lane, self._json.encode(call.lane.show(made))
        request_id = request_id_from(call.environ.get("HTTP_X_REQUEST_ID", ""))
        headers += [*_CONSTANT, ("Content-Length", str(len(body))), ("X-Request-ID", request_id)]
        duration_s = time.perf_counter() - call.begun_s
        self._wired.meters.count("POST", lane.route, 200, duration_s)
        if _log.isEnabledFor(logging.INFO):
            asked = {
                "method": "POST",
                "route": lane.route,
                "user_id": call.caller.user_id,
                "request_id": request_id,
            }
            _log.handle(AccessLogRecord(logging.INFO, asked, 200, duration_s))
        return _FastResponse(headers, body)


def _fast_routes(wired: Container) -> list[_FastRoute]:
    config = wired.config

    def by(version: Version) -> Callable[[int, bytes], PredictionRequest]:
        return lambda user_id, picture: PredictionRequest(
            user_id, picture, version, time.perf_counter()
        )

    def by_either(user_id: int, picture: bytes) -> PredictionRequest:
        begun_s = time.perf_counter()
        return PredictionRequest(user_id, picture, Version.V1, begun_s, wired.split_cache.current())

    v1, v2, ab = (f"/api/{name}/predict" for name in ("v1", "v2", "ab"))
    return [
        _FastRoute(v1, "v1.predict", config.ratelimit_v1, by(Version.V1), serializers.prediction),
        _FastRoute(v2, "v2.predict", config.ratelimit_v2, by(Version.V2), serializers.prediction),
        _FastRoute(
            ab, "ab.predict", config.ratelimit_default, by_either, serializers.ab_prediction
        ),
    ]


def _read_image(environ: "WSGIEnvironment") -> bytes | None:
    """The picture of a plain body. The body is read, and put back for whoever else reads it."""
    content_type, length = environ.get("CONTENT_TYPE", ""), environ.get("CONTENT_LENGTH", "")
    is_raw = content_type.startswith("image/")
    if not is_raw and not content_type.startswith("multipart/form-data"):
        return None
    if not length.isdigit() or int(length) > MAX_IMAGE_BODY_BYTES:
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    if len(body) != int(length):
        return None
    return body if is_raw else parse_single_file(content_type, body)

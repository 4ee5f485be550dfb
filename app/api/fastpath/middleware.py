"""The fast path: eligible predict requests are answered ahead of Flask.

Nearly all predict requests are eligible: a POST of one small image, with a token that was verified
before, a body of known length and no header of a browser's page. Authentication, rate limits,
counters and access log are the same as for every other request. Whatever is not eligible, and every
error, falls back to Flask, so that rejections are written once: docs/decisions/0017.

Requests that arrive together are answered together, by one of their threads, each step for all.

Invariant: a request gets the same response on both paths, and counts once. The tests in
tests/api/fastpath/test_middleware.py send requests on both paths and compare.
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
from app.api.schemas import serializers
from app.api.schemas.serializers import Json
from app.domain.assignment import Version
from app.domain.errors import CifraError
from app.domain.predictions import Prediction
from app.domain.roles import CurrentUser
from app.imaging.decoding import is_small_png
from app.imaging.preprocessing import NotPlain
from app.services.predictions.predictor import MAX_BATCH_SIZE, PredictionRequest
from app.services.predictions.request_batcher import RequestBatcher

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_OK = "200 OK"
_MAX_BODY_BYTES = 8 * 1024  # a small PNG, and multipart around it
_FIXED_HEADERS = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")]
_log = logging.getLogger(ACCESS_LOGGER)


@dataclass(frozen=True)
class _FastRoute:
    """A route: its rule, its view's endpoint, its limit, and how to make request and response.

    Rule, endpoint and limit must be the view's own, because metrics, logs and rate limit keys are
    named by them; `test_both_paths_count_in_the_same_windows` holds that.
    """

    rule: str
    endpoint: str
    limit: str
    make_request: Callable[[int, bytes], PredictionRequest]
    serialize: Callable[[Prediction], Json]


class _FastRequest(NamedTuple):
    """An eligible request, and when it was received."""

    started_at_s: float
    route: _FastRoute
    environ: "WSGIEnvironment"
    user: CurrentUser
    prediction_request: PredictionRequest


class _FastResponse(NamedTuple):
    headers: list[tuple[str, str]]
    body: bytes


class _NotPlain(NamedTuple):
    """The image needs more time than a batch has; the request has been counted in the window."""

    window: WindowStats | None


class FastPath:
    """WSGI middleware, the outermost one: what it answers needs none of the others."""

    def __init__(self, app: Flask, container: Container) -> None:
        self._next_app: WSGIApplication = app.wsgi_app
        self._container = container
        self._json = OrjsonProvider(app)
        self._routes = {route.rule: route for route in _fast_routes(container)}
        self._batcher = RequestBatcher(self._respond_many, MAX_BATCH_SIZE)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer an eligible request; pass every other one on unchanged."""
        route = self._routes.get(environ["PATH_INFO"])
        if route is not None and environ["REQUEST_METHOD"] == "POST":
            request = self._accept(route, environ)
            response = None if request is None else self._respond(request)
            if response is not None:
                start_response(_OK, response.headers)
                return [response.body]
        return self._next_app(environ, start_response)

    def _respond(self, request: _FastRequest) -> _FastResponse | None:
        """Return the response, computed in a batch; None if Flask must answer."""
        try:
            response = self._batcher.submit(request)
        except Exception as error:  # noqa: BLE001  not swallowed: Flask raises it again
            fall_back(request.environ, Fallback(request.user, error, []))
            return None
        if isinstance(response, _NotPlain):
            return self._respond_alone(request, response.window)
        return response

    def _respond_alone(
        self, request: _FastRequest, window: WindowStats | None
    ) -> _FastResponse | None:
        """Return the response to a request that was counted and whose image is not plain."""
        result: Prediction | Exception
        try:
            result = self._container.predictor.predict_not_plain(request.prediction_request)
        except Exception as error:  # noqa: BLE001  not swallowed: Flask raises it again
            result = error
        return self._finish(request, window, result)

    def _accept(self, route: _FastRoute, environ: "WSGIEnvironment") -> _FastRequest | None:
        """Return the request if it is eligible, else None.

        Only cheap checks are made here, and nothing is counted or written, so an ineligible request
        can start anew in Flask. `Origin` stands for CORS headers, `SCRIPT_NAME` for a mount point.
        """
        started_at_s = time.perf_counter()
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme != "Bearer" or "HTTP_ORIGIN" in environ or environ.get("SCRIPT_NAME"):
            return None
        try:
            user = self._container.token_cache.get(token)
            image = None if user is None else _read_image(environ)
            if user is None or image is None or not is_small_png(image):
                return None
            prediction_request = route.make_request(user.user_id, image)
            return _FastRequest(started_at_s, route, environ, user, prediction_request)
        except (CifraError, SQLAlchemyError):  # nothing was counted yet; Flask meets it again
            return None

    def _respond_many(
        self, requests: Sequence[_FastRequest]
    ) -> list[_FastResponse | _NotPlain | Exception | None]:
        """Return a response for each request; None if it fell back to Flask with its error."""
        hits = hit_many(
            [(each.user.user_id, each.route.endpoint, each.route.limit) for each in requests]
        )
        allowed = [
            request.prediction_request
            for request, hit in zip(requests, hits, strict=True)
            if hit.exceeded is None
        ]
        predictions = iter(self._container.predictor.predict_plain(allowed))
        results = [
            next(predictions) if hit.exceeded is None else TooManyRequests(hit.exceeded)
            for hit in hits
        ]
        return [
            _NotPlain(hit.window)
            if isinstance(result, NotPlain)
            else self._finish(request, hit.window, result)
            for request, hit, result in zip(requests, hits, results, strict=True)
        ]

    def _finish(
        self, request: _FastRequest, window: WindowStats | None, result: Prediction | Exception
    ) -> _FastResponse | None:
        """Return the response, counted and logged as app/api/http/request_logging.py does it."""
        headers = [] if window is None else window.headers
        if isinstance(result, Exception):
            fall_back(request.environ, Fallback(request.user, result, headers))
            return None
        route, body = request.route, self._json.encode(request.route.serialize(result))
        request_id = request_id_from(request.environ.get("HTTP_X_REQUEST_ID", ""))
        headers += [
            *_FIXED_HEADERS,
            ("Content-Length", str(len(body))),
            ("X-Request-ID", request_id),
        ]
        duration_s = time.perf_counter() - request.started_at_s
        self._container.request_metrics.record("POST", route.rule, 200, duration_s)
        if _log.isEnabledFor(logging.INFO):
            context = {
                "method": "POST",
                "route": route.rule,
                "user_id": request.user.user_id,
                "request_id": request_id,
            }
            _log.handle(AccessLogRecord(logging.INFO, context, 200, duration_s))
        return _FastResponse(headers, body)


def _fast_routes(container: Container) -> list[_FastRoute]:
    config = container.config

    def with_version(version: Version) -> Callable[[int, bytes], PredictionRequest]:
        return lambda user_id, image: PredictionRequest(
            user_id, image, version, time.perf_counter()
        )

    def with_split(user_id: int, image: bytes) -> PredictionRequest:
        started_at_s = time.perf_counter()
        split = container.split_cache.current()
        return PredictionRequest(user_id, image, Version.V1, started_at_s, split)

    v1, v2, ab = (f"/api/{name}/predict" for name in ("v1", "v2", "ab"))
    return [
        _FastRoute(
            v1, "v1.predict", config.ratelimit_v1, with_version(Version.V1), serializers.prediction
        ),
        _FastRoute(
            v2, "v2.predict", config.ratelimit_v2, with_version(Version.V2), serializers.prediction
        ),
        _FastRoute(
            ab, "ab.predict", config.ratelimit_default, with_split, serializers.ab_prediction
        ),
    ]


def _read_image(environ: "WSGIEnvironment") -> bytes | None:
    """Return the image of a simple body; None if Flask must parse it.

    The body is read once from the connection and put back, so that Flask can read it again.
    """
    content_type, length = environ.get("CONTENT_TYPE", ""), environ.get("CONTENT_LENGTH", "")
    is_raw = content_type.startswith("image/")
    if not is_raw and not content_type.startswith("multipart/form-data"):
        return None
    if not length.isdigit() or int(length) > _MAX_BODY_BYTES:
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    if len(body) != int(length):
        return None
    return body if is_raw else parse_single_file(content_type, body)

"""The Socket.IO server of an application, and the thread that sends its events."""

import logging
import threading
from collections.abc import Collection
from functools import partial
from typing import cast

from flask import Flask
from flask_socketio import SocketIO

from app.api.http.refresh_cookie import is_own_origin
from app.live.change_feed import ChangeFeed
from app.live.connection_limit import ConnectionLimiter, ConnectionPlaces
from app.live.subscribers import NAMESPACE, LiveNamespace
from app.services.background.periodic_worker import PeriodicWorker
from config import Config

POLL_INTERVAL_S = 0.25
POLLS_PER_TOKEN_CHECK = 4  # the database is polled more often than tokens are checked
PING_INTERVAL_S = 10  # a client that is gone, or does not read, is noticed within twice this

_KEY = "cifra-live"
_log = logging.getLogger("cifra.live")


class LiveServer:
    """Sockets, their subscribers and the events. Its thread starts with the first connection."""

    def __init__(self, app: Flask, config: Config) -> None:
        _log.setLevel(logging.WARNING)  # at INFO these libraries log each packet
        self._socketio = SocketIO(
            app,
            async_mode="threading",
            transports=["websocket"],
            cors_allowed_origins=partial(_is_allowed_origin, config.cors_origins),
            manage_session=False,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_INTERVAL_S,
            max_http_buffer_size=16_384,
            logger=_log,  # with loggers of their own these libraries write past logging_config.py
            engineio_logger=_log,
        )
        self._places = ConnectionPlaces(config.live_sockets)
        self._subscribers = LiveNamespace(
            config.ratelimit_read, self._places, self._before_subscribe, self._on_admin_joined
        )
        self._socketio.on_namespace(self._subscribers)
        self._subscribers.reject_malformed_packets()
        self._feed = ChangeFeed()
        self._poll_lock = threading.Lock()
        self._poll_count = 0
        self._thread = PeriodicWorker("live", POLL_INTERVAL_S, app.app_context, self._poll)
        app.wsgi_app = ConnectionLimiter(  # type: ignore[method-assign]
            app.wsgi_app, self._places, self._thread.trigger
        )
        app.extensions[_KEY] = self

    def count_open(self) -> int:
        """Return the number of open sockets, authenticated or not."""
        return len(self._places)

    def close(self) -> None:
        """Reject new connections, close all open ones, and stop the thread."""
        self._places.is_closed = True
        self._subscribers.disconnect_all()
        self._thread.stop()

    def _before_subscribe(self) -> None:
        """Reset the feed before the first subscriber joins, who then gets every later change."""
        with self._poll_lock:
            if self._subscribers.is_empty():
                self._feed.reset()

    def _on_admin_joined(self) -> None:
        """Resend the traffic rates, which a new admin cannot read from the report."""
        with self._poll_lock:
            self._feed.resend("traffic")

    def _poll(self, _stop_event: threading.Event) -> None:
        self._poll_count += 1
        if self.count_open() == 0:
            return
        if self._poll_count % POLLS_PER_TOKEN_CHECK == 0:
            self._subscribers.disconnect_expired()
        if not self._subscribers.is_empty():
            with self._poll_lock:
                changes = list(self._feed.poll())
            for name, event in changes:
                self._socketio.emit(name, event.payload, namespace=NAMESPACE, to=event.room)


def live_server_of(app: Flask) -> LiveServer:
    """Return the live server of an application."""
    return cast("LiveServer", app.extensions[_KEY])


def _is_allowed_origin(allowed: Collection[str], origin: str, environ: dict[str, str]) -> bool:
    """Return whether pages of an origin may connect: the server's own, and allowed ones."""
    is_own = is_own_origin(origin, environ["wsgi.url_scheme"], environ.get("HTTP_HOST", ""))
    return is_own or "*" in allowed or origin in allowed

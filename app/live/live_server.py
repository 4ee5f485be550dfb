"""The live connection of one application: its sockets, and the thread that sends."""

import threading
from collections.abc import Collection
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from flask import Flask
from flask_socketio import SocketIO

from app.live.change_feed import ChangeFeed
from app.live.connection_limit import ConnectionLimiter
from app.live.subscribers import NAMESPACE, LiveNamespace
from app.services.background.periodic_worker import PeriodicWorker
from config import Config

POLL_INTERVAL_S = 0.25
POLLS_PER_DISCONNECT = 4  # looks
PING_INTERVAL_S = 10  # a client that is gone, or does not read, is noticed within twice that

_KEY = "cifra-live"


class LiveServer:
    """Sockets, who listens on them, and what they are told. Nothing runs until somebody comes."""

    def __init__(self, app: Flask, config: Config) -> None:
        self._sockets = SocketIO(
            app,
            async_mode="threading",
            transports=["websocket"],
            cors_allowed_origins=partial(_is_allowed_origin, config.cors_origins),
            manage_session=False,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_INTERVAL_S,
            max_http_buffer_size=16_384,
        )
        self._guests = LiveNamespace(config.ratelimit_read, self._begin, self._greet)
        self._sockets.on_namespace(self._guests)
        self._changes = ChangeFeed()
        self._looking = threading.Lock()
        self._looks = 0
        self._thread = PeriodicWorker("live", POLL_INTERVAL_S, app.app_context, self._work)
        self._gate = ConnectionLimiter(app.wsgi_app, config.live_sockets, self._thread.trigger)
        app.wsgi_app = self._gate  # type: ignore[method-assign]
        app.extensions[_KEY] = self

    def count_open(self) -> int:
        """How many sockets are open, whoever is behind them."""
        return self._gate.taken

    def close(self) -> None:
        """Let nobody in any more, and everybody out; then the thread ends."""
        self._gate.is_closed = True
        self._guests.see_all_out()
        self._thread.stop()

    def _begin(self) -> None:
        """Somebody comes in: from here on they miss nothing."""
        with self._looking:
            if self._guests.is_empty():
                self._changes.forget()

    def _greet(self) -> None:
        """An admin is in: the rates, which no report has, are told anew."""
        with self._looking:
            self._changes.repeat("traffic")

    def _work(self, _ending: threading.Event) -> None:
        self._looks += 1
        if self.count_open() == 0:
            return
        if self._looks % POLLS_PER_DISCONNECT == 0:
            self._guests.see_out()
        if not self._guests.is_empty():
            with self._looking:
                changes = list(self._changes.since())
            for event, item in changes:
                self._sockets.emit(event, item.told, namespace=NAMESPACE, to=item.room)


def live_server_of(app: Flask) -> LiveServer:
    """The live connection of an application."""
    return cast("LiveServer", app.extensions[_KEY])


def _is_allowed_origin(named: Collection[str], origin: str, environ: dict[str, str]) -> bool:
    """Whether a page of this origin may connect: our own ones, and those that were named."""
    is_own = urlsplit(origin or "").netloc == environ.get("HTTP_HOST", "")
    return is_own or "*" in named or origin in named

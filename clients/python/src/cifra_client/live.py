"""Live events over Socket.IO: a subscription that reconnects automatically."""

import threading
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import chain, repeat
from queue import Empty, SimpleQueue
from typing import Any, Self

import socketio

from cifra_client.errors import (
    ApiError,
    RateLimited,
    ServerError,
    TimedOut,
    UnexpectedResponse,
    Unreachable,
)
from cifra_client.events import EVENT_TYPES, Event, Reconnected
from cifra_client.loading import load
from cifra_client.transport import Transport

NAMESPACE = "/live"
RECONNECT_DELAYS_S, MAX_RECONNECT_DELAY_S = (0.5, 1.0, 2.0, 4.0), 8.0

_STATUS_BY_CODE = {"unauthorized": 401, "limited": 429, "full": 503, "unavailable": 503}


class _Signal(Enum):
    """Other items of the event queue."""

    LOST = "the connection was lost"
    CLOSED = "the subscription was closed"


class Subscription:
    """An iterator over live events that ends when it is closed.

    It reconnects after a lost connection, with a renewed login if necessary, and then yields a
    Reconnected. A login that has ended raises NotAuthenticated.
    """

    def __init__(self, transport: Transport, timeout_s: float) -> None:
        self._transport, self._timeout_s = transport, timeout_s
        self._queue: SimpleQueue[Event | _Signal | UnexpectedResponse] = SimpleQueue()
        self._closing = threading.Event()
        self._socket = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = self._next(None)
        if event is None:
            raise StopIteration
        return event

    def receive(self, timeout_s: float) -> Event | None:
        """Return the next event; None once closed. Raises TimedOut, ApiError."""
        return self._next(timeout_s)

    def close(self) -> None:
        """Close the subscription; iteration over it stops."""
        self._closing.set()
        self._queue.put(_Signal.CLOSED)
        _disconnect(self._socket)

    def _next(self, timeout_s: float | None) -> Event | None:
        while not self._closing.is_set():
            try:
                item = self._queue.get(timeout=timeout_s)
            except Empty as error:
                raise TimedOut(f"no event within {timeout_s} s") from error
            if item is _Signal.LOST:
                return self._reconnect()
            if isinstance(item, UnexpectedResponse):
                raise item
            if not isinstance(item, _Signal):
                return item
        return None

    def _reconnect(self) -> Reconnected | None:
        """Reconnect, however long that takes. Raises ApiError for a login that has ended."""
        for pause_s in chain(RECONNECT_DELAYS_S, repeat(MAX_RECONNECT_DELAY_S)):
            if self._closing.wait(pause_s):
                break
            _disconnect(self._socket)
            try:
                self._socket = self._connect()
            except (Unreachable, ServerError, RateLimited):
                continue
            if not self._closing.is_set():
                return Reconnected()
            _disconnect(self._socket)
            break
        return None

    def _connect(self) -> Any:
        """Return a connected socket. Raises NotLoggedIn, ApiError, Unreachable."""
        rejections: list[Any] = []
        client = socketio.Client(
            reconnection=False, handle_sigint=False, request_timeout=self._timeout_s
        )
        client.on("*", self._on_event, namespace=NAMESPACE)
        client.on("connect_error", rejections.append, namespace=NAMESPACE)
        client.on("disconnect", lambda _: self._queue.put(_Signal.LOST), namespace=NAMESPACE)
        self._transport.fetch("GET", "/predictions", query={"limit": "1"})  # renews the login
        try:
            client.connect(
                self._transport.url,
                auth={"token": self._transport.access_token},
                transports=["websocket"],
                namespaces=[NAMESPACE],
                wait_timeout=self._timeout_s,
            )
        except socketio.exceptions.ConnectionError as error:
            raise _rejection(rejections) or Unreachable(f"no live connection: {error}") from error
        return client

    def _on_event(self, name: str, payload: object) -> None:
        """Queue an event; one that this client does not know is ignored."""
        if name not in EVENT_TYPES:
            return
        try:
            self._queue.put(load(EVENT_TYPES[name], payload))
        except UnexpectedResponse as error:
            self._queue.put(error)  # for whoever iterates, not for the thread that reads


def call_for_each(events: Subscription, on_event: Callable[[Event], None]) -> None:
    """Call a function with every event, on a thread that ends with the subscription."""

    def run() -> None:
        for event in events:
            on_event(event)

    threading.Thread(target=run, name="cifra-events", daemon=True).start()


def _disconnect(client: Any) -> None:
    """Close a socket, also one that was lost."""
    client.disconnect()
    client.eio.ws.shutdown()  # Engine.IO leaves it open where the other side has ended it


def _rejection(rejections: list[Any]) -> ApiError | None:
    """Return why the server rejected the connection; None if it did not say."""
    payload = rejections[0] if rejections and isinstance(rejections[0], dict) else {}
    code = (payload.get("data") or {}).get("code")
    if code not in _STATUS_BY_CODE:
        return None
    return ApiError.of(_STATUS_BY_CODE[code], "No live connection", str(payload.get("message")))

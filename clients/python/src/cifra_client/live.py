"""Live events over Socket.IO: a subscription that comes back by itself."""

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

_STATUS_BY_CODE = {"unauthorized": 401, "limited": 429, "full": 503}


class _Signal(Enum):
    """What else may come out of the queue of events."""

    LOST = "the connection was lost"
    CLOSED = "the subscription was closed"


class Subscription:
    """Events as they come, to be iterated over; ends when it is closed.

    A lost connection is made anew, with a login that is renewed if need be, and told as a
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
        """The next event; None once it is closed. Raises TimedOut, ApiError."""
        return self._next(timeout_s)

    def close(self) -> None:
        """End it; whoever iterates over it stops."""
        self._closing.set()
        self._queue.put(_Signal.CLOSED)
        _disconnect(self._socket)

    def _next(self, timeout_s: float | None) -> Event | None:
        while not self._closing.is_set():
            try:
                arrived = self._queue.get(timeout=timeout_s)
            except Empty as error:
                raise TimedOut(f"no event within {timeout_s} s") from error
            if arrived is _Signal.LOST:
                return self._reconnect()
            if isinstance(arrived, UnexpectedResponse):
                raise arrived
            if not isinstance(arrived, _Signal):
                return arrived
        return None

    def _reconnect(self) -> Reconnected | None:
        """Connect anew, however long that takes. Raises ApiError for a login that has ended."""
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
        """A socket that is let in. Raises NotLoggedIn, ApiError, Unreachable."""
        refusals: list[Any] = []
        made = socketio.Client(
            reconnection=False, handle_sigint=False, request_timeout=self._timeout_s
        )
        made.on("*", self._on_event, namespace=NAMESPACE)
        made.on("connect_error", refusals.append, namespace=NAMESPACE)
        made.on("disconnect", lambda _: self._queue.put(_Signal.LOST), namespace=NAMESPACE)
        self._transport.fetch("GET", "/predictions", query={"limit": "1"})  # renews the login
        try:
            made.connect(
                self._transport.url,
                auth={"token": self._transport.access_token},
                transports=["websocket"],
                namespaces=[NAMESPACE],
                wait_timeout=self._timeout_s,
            )
        except socketio.exceptions.ConnectionError as error:
            raise _rejection(refusals) or Unreachable(f"no live connection: {error}") from error
        return made

    def _on_event(self, name: str, told: object) -> None:
        """Take an event in; one that this client does not know of is left alone."""
        if name not in EVENT_TYPES:
            return
        try:
            self._queue.put(load(EVENT_TYPES[name], told))
        except UnexpectedResponse as error:
            self._queue.put(error)  # for whoever iterates, not for the thread that reads


def call_for_each(events: Subscription, on_event: Callable[[Event], None]) -> None:
    """Hand every event over, on a thread of its own that ends with the subscription."""

    def run() -> None:
        for event in events:
            on_event(event)

    threading.Thread(target=run, name="cifra-events", daemon=True).start()


def _disconnect(used: Any) -> None:
    """Close a socket, also one that was lost."""
    used.disconnect()
    used.eio.ws.shutdown()  # Engine.IO leaves it open where the other side has ended it


def _rejection(said: list[Any]) -> ApiError | None:
    """Why the server let nobody in; None where it did not say."""
    told = said[0] if said and isinstance(said[0], dict) else {}
    code = (told.get("data") or {}).get("code")
    if code not in _STATUS_BY_CODE:
        return None
    return ApiError.of(_STATUS_BY_CODE[code], "No live connection", str(told.get("message")))

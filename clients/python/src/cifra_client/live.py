"""Live events over Socket.IO: a subscription that comes back by itself."""

import threading
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import chain, repeat
from queue import Empty, SimpleQueue
from typing import Any, Self

import socketio

from cifra_client.errors import (
    RateLimited,
    Refused,
    ServerFailed,
    TimedOut,
    UnexpectedAnswer,
    Unreachable,
)
from cifra_client.events import SHAPES, Event, Reconnected
from cifra_client.loading import load
from cifra_client.transport import Transport

NAMESPACE = "/live"
PAUSES_S, LAST_PAUSE_S = (0.5, 1.0, 2.0, 4.0), 8.0

_STATUS = {"unauthorized": 401, "limited": 429, "full": 503}


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
        self._arrived: SimpleQueue[Event | _Signal | UnexpectedAnswer] = SimpleQueue()
        self._closing = threading.Event()
        self._socket = self._connected()

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
        """The next event; None once it is closed. Raises TimedOut, Refused."""
        return self._next(timeout_s)

    def close(self) -> None:
        """End it; whoever iterates over it stops."""
        self._closing.set()
        self._arrived.put(_Signal.CLOSED)
        _end(self._socket)

    def _next(self, timeout_s: float | None) -> Event | None:
        while not self._closing.is_set():
            try:
                arrived = self._arrived.get(timeout=timeout_s)
            except Empty as error:
                raise TimedOut(f"no event within {timeout_s} s") from error
            if arrived is _Signal.LOST:
                return self._reconnected()
            if isinstance(arrived, UnexpectedAnswer):
                raise arrived
            if not isinstance(arrived, _Signal):
                return arrived
        return None

    def _reconnected(self) -> Reconnected | None:
        """Connect anew, however long that takes. Raises Refused for a login that has ended."""
        for pause_s in chain(PAUSES_S, repeat(LAST_PAUSE_S)):
            if self._closing.wait(pause_s):
                break
            _end(self._socket)
            try:
                self._socket = self._connected()
            except (Unreachable, ServerFailed, RateLimited):
                continue
            if not self._closing.is_set():
                return Reconnected()
            _end(self._socket)
            break
        return None

    def _connected(self) -> Any:
        """A socket that is let in. Raises NotLoggedIn, Refused, Unreachable."""
        refusals: list[Any] = []
        made = socketio.Client(
            reconnection=False, handle_sigint=False, request_timeout=self._timeout_s
        )
        made.on("*", self._take, namespace=NAMESPACE)
        made.on("connect_error", refusals.append, namespace=NAMESPACE)
        made.on("disconnect", lambda _: self._arrived.put(_Signal.LOST), namespace=NAMESPACE)
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
            raise _refusal(refusals) or Unreachable(f"no live connection: {error}") from error
        return made

    def _take(self, name: str, told: object) -> None:
        """Take an event in; one that this client does not know of is left alone."""
        if name not in SHAPES:
            return
        try:
            self._arrived.put(load(SHAPES[name], told))
        except UnexpectedAnswer as error:
            self._arrived.put(error)  # for whoever iterates, not for the thread that reads


def deliver(events: Subscription, on_event: Callable[[Event], None]) -> None:
    """Hand every event over, on a thread of its own that ends with the subscription."""

    def run() -> None:
        for event in events:
            on_event(event)

    threading.Thread(target=run, name="cifra-events", daemon=True).start()


def _end(used: Any) -> None:
    """Close a socket, also one that was lost."""
    used.disconnect()
    used.eio.ws.shutdown()  # Engine.IO leaves it open where the other side has ended it


def _refusal(said: list[Any]) -> Refused | None:
    """Why the server let nobody in; None where it did not say."""
    told = said[0] if said and isinstance(said[0], dict) else {}
    code = (told.get("data") or {}).get("code")
    if code not in _STATUS:
        return None
    return Refused.of(_STATUS[code], "No live connection", str(told.get("message")))

"""A dashboard's end of the live connection, as a client library has it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import socketio

EVENTS = ("traffic", "feedback", "experiment", "retrain", "deployment", "alert", "prediction")
TIMEOUT_S = 90  # generous: on a busy machine a process takes long to start


class Listener:
    """What was heard, in its order, as (event, payload)."""

    def __init__(self, url: str, token: object, *, again: bool = False) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[Any] = []
        self.client = socketio.Client(reconnection=again, reconnection_delay=0.2)
        self.client.on("connect_error", self.refusals.append, namespace="/live")
        for event in EVENTS:
            self.client.on(event, self._hears(event), namespace="/live")
        self.client.connect(
            url,
            namespaces=["/live"],
            auth=None if token is None else {"token": token},
            transports=["websocket"],
        )
        self.first_socket = self.client.eio.ws

    def _hears(self, event: str) -> Any:
        return lambda told: self.heard.append((event, told))

    def all(self, event: str) -> list[dict[str, Any]]:
        """Everything heard of one event so far."""
        return [told for name, told in self.heard if name == event]

    def wait_for(self, event: str, **fields: object) -> dict[str, Any]:
        """The first of an event that has these fields, once it comes."""
        found = wait_until(lambda: next(iter(self._with(event, fields)), None), f"{event} {fields}")
        assert isinstance(found, dict)
        return found

    def wait_for_end(self) -> None:
        """Wait until the server has shown us out."""
        wait_until(lambda: "/live" not in self.client.namespaces, "the end")

    def _with(self, event: str, fields: dict[str, object]) -> list[dict[str, Any]]:
        return [told for told in self.all(event) if fields.items() <= told.items()]


def wait_until(condition: Any, what: str) -> object:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


@contextmanager
def listening(url: str, token: object, *, again: bool = False) -> Iterator[Listener]:
    """Listen until the block ends."""
    listener = Listener(url, token, again=again)
    try:
        yield listener
    finally:
        listener.client.reconnection = False
        listener.client.shutdown()  # ends its looking for a server that has gone, too
        listener.client.eio.disconnect()
        listener.first_socket.close()  # where the server ended it, the library leaves it open

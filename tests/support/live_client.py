"""A Socket.IO client that records the events of the live connection."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import socketio
from websocket import WebSocket, WebSocketBadStatusException, create_connection

EVENTS = ("traffic", "feedback", "experiment", "retrain", "deployment", "alert", "prediction")
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
TIMEOUT_S = 90  # generous: on a busy machine a process is slow to start


class LiveClient:
    """A connected client; `events` are (name, payload) in order of arrival."""

    def __init__(self, url: str, token: object, *, reconnect: bool = False) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.connect_errors: list[Any] = []
        self.sio = socketio.Client(reconnection=reconnect, reconnection_delay=0.2)
        self.sio.on("connect_error", self.connect_errors.append, namespace="/live")
        for event in EVENTS:
            self.sio.on(event, self._append_to_events(event), namespace="/live")
        self.sio.connect(
            url,
            namespaces=["/live"],
            auth=None if token is None else {"token": token},
            transports=["websocket"],
            wait=False,
        )
        self.first_socket = self.sio.eio.ws
        wait_until(self._is_decided, "an answer to the token")
        if "/live" not in self.sio.namespaces:
            self.sio.disconnect()
            raise socketio.exceptions.ConnectionError("the server did not accept the client")

    def _is_decided(self) -> bool:
        """Return whether the server has accepted or rejected the token, or closed the socket."""
        has_answer = self.sio.namespaces or self.sio.failed_namespaces
        return bool(has_answer) or self.sio.eio.state != "connected"

    def _append_to_events(self, event: str) -> Any:
        return lambda payload: self.events.append((event, payload))

    def received(self, event: str) -> list[dict[str, Any]]:
        """Return the payloads of one event received so far."""
        return [payload for name, payload in self.events if name == event]

    def wait_for(self, event: str, **fields: object) -> dict[str, Any]:
        """Wait for an event with these fields, and return its first payload."""
        found = wait_until(lambda: next(iter(self._with(event, fields)), None), f"{event} {fields}")
        assert isinstance(found, dict)
        return found

    def wait_for_disconnect(self) -> None:
        """Wait until the server has disconnected this client."""
        wait_until(lambda: "/live" not in self.sio.namespaces, "the disconnect")

    def _with(self, event: str, fields: dict[str, object]) -> list[dict[str, Any]]:
        return [payload for payload in self.received(event) if fields.items() <= payload.items()]


def wait_until(condition: Any, what: str) -> object:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"timed out waiting for {what}")


def open_websocket(url: str, **options: object) -> WebSocket:
    """Open a WebSocket without sending a token; the caller reads and closes it."""
    address = f"{url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
    return create_connection(address, timeout=30, **options)


def open_when_free(url: str) -> WebSocket:
    """Open a WebSocket as soon as the server has a place for it."""
    opened: list[WebSocket] = []

    def try_to_open() -> bool:
        with suppress(WebSocketBadStatusException):
            opened.append(open_websocket(url))
        return bool(opened)

    wait_until(try_to_open, "a free place")
    return opened[0]


def try_to_connect(url: str, token: object) -> LiveClient | None:
    """Connect a client that the caller disconnects; None if it is rejected."""
    client = LiveClient.__new__(LiveClient)
    try:
        client.__init__(url, token)  # type: ignore[misc]  # it must be closed if this fails
    except socketio.exceptions.ConnectionError:
        client.sio.eio.disconnect()
        return None
    return client


def connect_when_free(url: str, token: object) -> LiveClient:
    """Connect a client as soon as the server has a place for it; the caller disconnects it."""
    found = wait_until(lambda: try_to_connect(url, token), "a free place")
    assert isinstance(found, LiveClient)
    return found


def is_rejected(url: str, **options: object) -> bool:
    """Return whether the server rejects a WebSocket."""
    try:
        open_websocket(url, **options).close()
    except WebSocketBadStatusException:
        return True
    return False


@contextmanager
def connect_live(url: str, token: object, *, reconnect: bool = False) -> Iterator[LiveClient]:
    """Connect a client until the block ends."""
    client = LiveClient(url, token, reconnect=reconnect)
    try:
        yield client
    finally:
        client.sio.reconnection = False
        client.sio.shutdown()  # also stops attempts to reconnect to a server that is gone
        client.sio.eio.disconnect()
        client.first_socket.close()  # the library leaves it open if the server closed it

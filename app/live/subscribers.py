"""The namespace /live: subscribers authenticate with an access token and stay while it is valid."""

import logging
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import request
from flask_jwt_extended import decode_token, get_unverified_jwt_headers
from flask_jwt_extended.exceptions import JWTExtendedException
from flask_limiter.util import get_remote_address
from flask_socketio import ConnectionRefusedError as Refused
from flask_socketio import Namespace, join_room
from jwt.exceptions import PyJWTError
from limits import parse_many
from socketio.packet import CONNECT, DISCONNECT, EVENT, Packet
from sqlalchemy.exc import SQLAlchemyError

from app.api.http.container import container
from app.api.http.rate_limits import limiter
from app.domain.roles import CurrentUser, Role
from app.live.change_feed import ADMINS, room_of
from app.live.connection_limit import CONNECTION_KEY, ConnectionPlaces
from app.services.accounts import sessions
from app.store.engine.database_errors import FailureLog, describe

NAMESPACE = "/live"
AUTH_TIMEOUT_S = 3.0  # from opening a socket to sending a token; a slow network needs one or two


_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subscriber:
    """A connected user, and the expiry of their token."""

    user: CurrentUser
    expires_at: datetime
    key_id: str | None

    def is_valid(self, current: CurrentUser | None) -> bool:
        """Return whether session and role are unchanged and the token is still valid."""
        is_current = self.expires_at > datetime.now(UTC) and current == self.user
        return is_current and container().signing_keys.get(self.key_id) is not None


class LiveNamespace(Namespace):  # type: ignore[misc]  # Flask-SocketIO carries no types
    """The event handlers of the namespace, and its subscribers."""

    def __init__(
        self,
        connect_limits: str,
        places: ConnectionPlaces,
        before_subscribe: Callable[[], None],
        on_admin_joined: Callable[[], None],
    ) -> None:
        super().__init__(NAMESPACE)
        self._places = places
        self._before_subscribe = before_subscribe
        self._on_admin_joined = on_admin_joined
        self._subscribers: dict[str, Subscriber] = {}
        self._unauthenticated_since: dict[str, float] = {}
        self._connect_limits = parse_many(connect_limits)
        self._failures = FailureLog(_log)

    def on_connect(self, auth: object = None) -> None:
        """Accept a connection with a valid access token. Raises ConnectionRefusedError."""
        self._check_rate_limit()
        try:
            self._connect(auth)
        except SQLAlchemyError as error:
            failure = describe(error)
            if failure is None:
                raise
            self._failures.report(failure)
            raise Refused(failure.summary, {"code": "unavailable"}) from error

    def _connect(self, auth: object) -> None:
        subscriber = _authenticate(auth)
        connection = request.environ[CONNECTION_KEY]
        if not self._places.authenticate(connection, subscriber.user):
            raise Refused("Too many live connections", {"code": "full"})
        self._before_subscribe()
        join_room(room_of(subscriber.user.user_id))
        self._subscribers[_sid()] = subscriber
        if subscriber.user.role is Role.ADMIN:
            join_room(ADMINS)
            self._on_admin_joined()

    def on_disconnect(self, _reason: str) -> None:
        """Remove a subscriber."""
        self._subscribers.pop(_sid(), None)

    def reject_malformed_packets(self) -> None:
        """Close a socket on its first malformed packet, before the library logs a traceback.

        Clients send text only; the library would wait for the binary parts that a text announces.
        """
        engine = self.socketio.server.eio
        handle = engine.handlers["message"]

        def check_and_handle(engine_id: str, data: object) -> object:
            connection = self.socketio.server.environ[engine_id][CONNECTION_KEY]
            if connection.is_malformed:
                return None
            if not _is_packet(data):
                connection.is_malformed = True
                _log.info("a malformed packet; the connection is closed")
                self._force_close(engine_id)
                return None
            return handle(engine_id, data)

        engine.on("message", check_and_handle)

    def is_empty(self) -> bool:
        """Return whether there are no subscribers."""
        return not self._subscribers

    def disconnect_expired(self) -> None:
        """Disconnect sockets whose token, session or role is no longer valid.

        Also those that never authenticated, and those whose client claims to have disconnected.
        """
        connected = dict(self.socketio.server.manager.get_participants(NAMESPACE, None))
        users = sessions.current_users({each.user.session_id for each in self._list()})
        for sid, subscriber in list(self._subscribers.items()):
            if sid not in connected:
                self._subscribers.pop(sid, None)
            elif not subscriber.is_valid(users.get(subscriber.user.session_id)):
                self.socketio.server.disconnect(sid, namespace=NAMESPACE)
        self._disconnect_unauthenticated(
            {connected[sid] for sid in list(self._subscribers) if sid in connected}
        )

    def disconnect_all(self) -> None:
        """Close all sockets at shutdown.

        No disconnect event is sent: clients that receive one do not reconnect.
        """
        for engine_id in list(self.socketio.server.eio.sockets):
            self._force_close(engine_id)

    def _disconnect_unauthenticated(self, authenticated: Collection[str]) -> None:
        now_s = time.monotonic()
        unknown = set(self.socketio.server.eio.sockets) - set(authenticated)
        self._unauthenticated_since = {
            each: self._unauthenticated_since.get(each, now_s) for each in unknown
        }
        for engine_id, since_s in self._unauthenticated_since.items():
            if now_s - since_s > AUTH_TIMEOUT_S:
                self._force_close(engine_id)

    def _force_close(self, engine_id: str) -> None:
        """Shut a socket down for reading: its thread then closes it, even if the client is gone."""
        environ = self.socketio.server.environ.get(engine_id, {})
        connection = environ.get("gunicorn.socket")
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    def _check_rate_limit(self) -> None:
        """Limit attempts by address: Flask-Limiter only covers routes."""
        if limiter.enabled and not all(
            limiter.limiter.hit(each, "live", get_remote_address()) for each in self._connect_limits
        ):
            raise Refused("Too many attempts", {"code": "limited"})

    def _list(self) -> list[Subscriber]:
        return list(self._subscribers.values())


def _authenticate(auth: object) -> Subscriber:
    token = auth.get("token") if isinstance(auth, dict) else None
    if not isinstance(token, str):
        raise _unauthorized("Missing token")
    try:
        claims: dict[str, Any] = decode_token(token)
        user = sessions.current_user(UUID(str(claims.get("sid"))))
    except (JWTExtendedException, PyJWTError, ValueError) as error:
        raise _unauthorized("Invalid token") from error
    if user is None or claims.get("type") != "access":
        raise _unauthorized(sessions.REVOKED if user is None else "Invalid token")
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    return Subscriber(user, expires_at, get_unverified_jwt_headers(token).get("kid"))


def _unauthorized(reason: str) -> Refused:
    return Refused(reason, {"code": "unauthorized"})


def _is_packet(data: object) -> bool:
    """Return whether a message is a packet that a client may send: connect, disconnect, event."""
    if not isinstance(data, str):
        return False
    try:
        packet = Packet(encoded_packet=data)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return False
    if packet.packet_type == EVENT:
        return isinstance(packet.data, list) and isinstance(next(iter(packet.data), None), str)
    return packet.packet_type in {CONNECT, DISCONNECT}


def _sid() -> str:
    """Return the id of the connection whose event is being handled."""
    return str(request.sid)  # type: ignore[attr-defined]

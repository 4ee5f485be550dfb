"""Who listens on the namespace /live: let in by an access token, and out when it ends."""

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

from app.api.http.container import container
from app.api.http.rate_limits import limiter
from app.domain.roles import CurrentUser, Role
from app.live.change_feed import ADMINS, room_of
from app.services.accounts import sessions

NAMESPACE = "/live"
MAX_CONNECTIONS_PER_USER = (
    8  # sockets of somebody who is no admin, so that nobody takes all there are
)
AUTH_TIMEOUT_S = 5.0  # from opening a socket to showing a token


@dataclass(frozen=True)
class Subscriber:
    """Somebody who listens, until when their token is good."""

    caller: CurrentUser
    expires_at: datetime
    key_id: str | None

    def may_stay(self, found: CurrentUser | None) -> bool:
        """Whether their login is still what it was, and their token still good."""
        is_good = self.expires_at > datetime.now(UTC) and found == self.caller
        return is_good and container().signing_keys.get(self.key_id) is not None


class LiveNamespace(Namespace):  # type: ignore[misc]  # Flask-SocketIO carries no types
    """The namespace's handlers, and a list of who is in."""

    def __init__(self, connects: str, begin: Callable[[], None], greet: Callable[[], None]) -> None:
        super().__init__(NAMESPACE)
        self._begin, self._greet = begin, greet
        self._guests: dict[str, Subscriber] = {}
        self._strangers: dict[str, float] = {}
        self._connects = parse_many(connects)

    def on_connect(self, auth: object = None) -> None:
        """Let somebody in whose access token is good. Raises ConnectionRefusedError."""
        self._limit()
        guest = _authenticate(auth)
        own = sum(each.caller.user_id == guest.caller.user_id for each in self._listed())
        if guest.caller.role is not Role.ADMIN and own >= MAX_CONNECTIONS_PER_USER:
            raise Refused("Too many live connections", {"code": "full"})
        self._begin()
        join_room(room_of(guest.caller.user_id))
        self._guests[_sid()] = guest
        if guest.caller.role is Role.ADMIN:
            join_room(ADMINS)
            self._greet()

    def on_disconnect(self, _reason: str) -> None:
        """Take somebody off the list."""
        self._guests.pop(_sid(), None)

    def is_empty(self) -> bool:
        """Whether nobody listens."""
        return not self._guests

    def see_out(self) -> None:
        """Disconnect those whose token or login has ended, or whose role is another by now.

        And whoever opened a socket and showed no token, or says that they have left.
        """
        inside = dict(self.socketio.server.manager.get_participants(NAMESPACE, None))
        callers = sessions.current_users({each.caller.session_id for each in self._listed()})
        for sid, guest in list(self._guests.items()):
            if sid not in inside:
                self._guests.pop(sid, None)
            elif not guest.may_stay(callers.get(guest.caller.session_id)):
                self.socketio.server.disconnect(sid, namespace=NAMESPACE)
        self._see_strangers_out({inside[sid] for sid in list(self._guests) if sid in inside})

    def see_all_out(self) -> None:
        """Close every socket, for the server ends; without a word, so that clients come back."""
        for engine_id in list(self.socketio.server.eio.sockets):
            self._cut(engine_id)

    def _see_strangers_out(self, known: Collection[str]) -> None:
        now_s = time.monotonic()
        unknown = set(self.socketio.server.eio.sockets) - set(known)
        self._strangers = {each: self._strangers.get(each, now_s) for each in unknown}
        for engine_id, since_s in self._strangers.items():
            if now_s - since_s > AUTH_TIMEOUT_S:
                self._cut(engine_id)

    def _cut(self, engine_id: str) -> None:
        """End a socket whether its other end answers or not: its reading thread closes it."""
        environ = self.socketio.server.environ.get(engine_id, {})
        connection = environ.get("gunicorn.socket")
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    def _limit(self) -> None:
        """Count attempts by address: the limits of routes do not reach here."""
        if limiter.enabled and not all(
            limiter.limiter.hit(each, "live", get_remote_address()) for each in self._connects
        ):
            raise Refused("Too many attempts", {"code": "limited"})

    def _listed(self) -> list[Subscriber]:
        return list(self._guests.values())


def _authenticate(auth: object) -> Subscriber:
    token = auth.get("token") if isinstance(auth, dict) else None
    if not isinstance(token, str):
        raise _unauthorized("Missing token")
    try:
        claims: dict[str, Any] = decode_token(token)
        caller = sessions.current_user(UUID(str(claims.get("sid"))))
    except (JWTExtendedException, PyJWTError, ValueError) as error:
        raise _unauthorized("Invalid token") from error
    if caller is None or claims.get("type") != "access":
        raise _unauthorized(sessions.REVOKED if caller is None else "Invalid token")
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    return Subscriber(caller, expires_at, get_unverified_jwt_headers(token).get("kid"))


def _unauthorized(reason: str) -> Refused:
    return Refused(reason, {"code": "unauthorized"})


def _sid() -> str:
    """The id of the connection whose event is handled, as Flask-SocketIO gives it."""
    return str(request.sid)  # type: ignore[attr-defined]

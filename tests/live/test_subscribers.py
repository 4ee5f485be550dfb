"""Who may connect, and when the server disconnects them, over real sockets."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import socketio
from flask_jwt_extended import decode_token

from app.api.http.authentication import create_tokens
from app.services.accounts.sessions import TokenGrant
from config import Config
from tests.conftest import opened_app
from tests.support.cli import run_flask_process
from tests.support.live_client import (
    HANDSHAKE,
    LiveClient,
    connect_live,
    connect_when_free,
    is_rejected,
    open_websocket,
    open_when_free,
    wait_until,
)
from tests.support.server_process import UNLIMITED, Client, Server, serve


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("live"), **UNLIMITED) as running:
        yield running


def access_token(client: Client) -> str:
    return str(client.tokens["access_token"])


def account_of(server: Server, username: str) -> int:
    users = server.admin_client().call("GET", "/admin/users").json()["users"]
    return next(int(user["id"]) for user in users if user["username"] == username)


def connect_error(server: Server, token: object) -> dict[str, object]:
    """Return the error of a connection attempt with this token."""
    client = LiveClient.__new__(LiveClient)
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.__init__(server.url, token)  # type: ignore[misc]
    wait_until(lambda: client.connect_errors, "the connection error")
    client.sio.eio.disconnect()
    error = client.connect_errors[0]
    assert isinstance(error, dict)
    return error


@pytest.mark.parametrize("token", [None, "", "x", 7, {"a": 1}, "a.b.c"])
def test_a_connection_without_a_valid_token_is_rejected(server: Server, token: object) -> None:
    assert connect_error(server, token)["data"] == {"code": "unauthorized"}


def test_a_refresh_token_is_rejected(server: Server) -> None:
    error = connect_error(server, server.admin_client().tokens["refresh_token"])
    assert error["data"] == {"code": "unauthorized"}


def test_a_revoked_token_is_rejected(server: Server) -> None:
    admin = server.admin_client()
    admin.call("POST", "/logout")
    assert connect_error(server, access_token(admin))["message"] == "Token has been revoked"


def test_logout_closes_the_connection(server: Server) -> None:
    admin = server.admin_client()
    with connect_live(server.url, access_token(admin)) as dashboard:
        admin.call("POST", "/logout")
        dashboard.wait_for_disconnect()


def test_the_connection_closes_when_its_token_expires(server: Server) -> None:
    admin = server.admin_client()
    with opened_app(Config.from_env({"DATA_DIR": str(server.data_dir)})) as app, app.app_context():
        claims = decode_token(access_token(admin))
        grant = TokenGrant(int(claims["sub"]), claims["sid"], "unused")
        app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(seconds=2)
        brief = create_tokens(grant)["access_token"]
    with connect_live(server.url, brief) as dashboard:
        dashboard.wait_for_disconnect()
    assert connect_error(server, brief)["data"] == {"code": "unauthorized"}


def test_a_role_change_closes_the_connection(server: Server) -> None:
    rita = server.register("rita")
    with connect_live(server.url, access_token(rita)) as client:
        path = f"/admin/users/{account_of(server, 'rita')}"
        server.admin_client().call("PATCH", path, json={"role": "admin"})
        client.wait_for_disconnect()


def test_locking_an_account_closes_its_connection(server: Server) -> None:
    lola = server.register("lola")
    with connect_live(server.url, access_token(lola)) as client:
        path = f"/admin/users/{account_of(server, 'lola')}"
        server.admin_client().call("PATCH", path, json={"locked": True})
        client.wait_for_disconnect()


def test_a_client_that_emits_disconnect_is_disconnected(server: Server) -> None:
    """A client that only claims to have disconnected must not stay connected unchecked."""
    admin = server.admin_client()
    with connect_live(server.url, access_token(admin)) as dashboard:
        dashboard.sio.emit("disconnect", "bye", namespace="/live")
        dashboard.wait_for_disconnect()


def test_unauthenticated_sockets_are_closed_and_make_room(tmp_path: Path) -> None:
    """On a server without subscribers; the sockets never answer, not even a close."""
    with serve(tmp_path, **UNLIMITED, LIVE_SOCKETS="3", WEB_THREADS="5") as small:
        sockets = [open_websocket(small.url) for _ in range(2)]
        assert is_rejected(small.url)
        sockets += [open_when_free(small.url) for _ in range(2)]
        admin = small.admin_client()
        assert admin.call("GET", "/admin/report").status_code == 200
        dashboard = connect_when_free(small.url, access_token(admin))
        assert dashboard.wait_for("traffic", requests=0)
        dashboard.sio.disconnect()
        for each in sockets:
            each.shutdown()


@pytest.mark.parametrize("query", ["transport=polling", "transport=websocket&sid=x"])
def test_only_new_websockets_are_accepted(server: Server, query: str) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"} if "sid" in query else {}
    answer = requests.get(f"{server.url}/socket.io/?EIO=4&{query}", timeout=5, headers=upgrade)
    assert (answer.status_code, answer.json()["status"]) == (400, 400)


def test_only_allowed_origins_and_the_servers_own_may_connect(tmp_path: Path) -> None:
    with serve(tmp_path, **UNLIMITED, CORS_ORIGINS="https://named.example") as named:
        assert not is_rejected(named.url, origin=named.url)
        assert not is_rejected(named.url, origin="https://named.example")
        assert is_rejected(named.url, origin="https://other.example")


def test_attempts_behind_a_proxy_are_limited_by_client(tmp_path: Path) -> None:
    few = {"RATELIMIT_READ": "1 per minute", "BCRYPT_ROUNDS": "4", "TRUSTED_PROXIES": "1"}
    with serve(tmp_path, **few) as small:
        codes = []
        for client in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
            socket = open_websocket(small.url, header={"X-Forwarded-For": client})
            socket.recv()
            socket.send('40/live,{"token": "x"}')
            codes.append(json.loads(str(socket.recv()).removeprefix("44/live,"))["data"]["code"])
            socket.shutdown()
    assert codes == ["unauthorized", "unauthorized", "limited"]


def test_rotating_a_leaked_key_closes_connections_that_it_signed(tmp_path: Path) -> None:
    with (
        serve(tmp_path, **UNLIMITED) as fresh,
        connect_live(fresh.url, access_token(fresh.admin_client())) as dashboard,
    ):
        assert run_flask_process(tmp_path, "rotate-key", "--leaked").returncode == 0
        dashboard.wait_for_disconnect()


def test_connections_per_user_are_limited(server: Server) -> None:
    cleo = server.register("cleo")
    clients = [LiveClient(server.url, access_token(cleo)) for _ in range(8)]
    assert connect_error(server, access_token(cleo))["data"] == {"code": "full"}
    for client in clients:
        client.sio.disconnect()


def test_sockets_above_the_limit_are_rejected_and_requests_still_served(tmp_path: Path) -> None:
    few = {"LIVE_SOCKETS": "2", "WEB_THREADS": "4"}
    with serve(tmp_path, **UNLIMITED, **few) as small:
        admin = small.admin_client()
        with (
            connect_live(small.url, access_token(admin)),
            connect_live(small.url, access_token(admin)),
        ):
            opening = f"{small.url}/socket.io/?EIO=4&transport=websocket"
            rejected = requests.get(opening, timeout=5, headers=HANDSHAKE)
            assert rejected.status_code == 503
            assert rejected.headers["Retry-After"]
            assert rejected.json()["status"] == 503
            assert admin.call("GET", "/admin/report").status_code == 200
        wait_until(lambda: not is_rejected(small.url), "room for a socket")


def test_attempts_to_connect_are_limited_by_address(tmp_path: Path) -> None:
    limited = {"RATELIMIT_READ": "3 per minute", "BCRYPT_ROUNDS": "4"}
    with serve(tmp_path, **limited) as small:
        codes = [connect_error(small, "x")["data"] for _ in range(4)]
    assert codes == [{"code": "unauthorized"}] * 3 + [{"code": "limited"}]


def test_clients_reconnect_to_the_next_server_after_a_shutdown(
    tmp_path: Path,
) -> None:
    with serve(tmp_path, **UNLIMITED) as first:
        token = access_token(first.admin_client())
        port = first.port
        with connect_live(first.url, token, reconnect=True) as dashboard:
            first.process.terminate()
            assert first.process.wait(timeout=8) == 0  # the graceful timeout is 10 s
            with serve(tmp_path, **UNLIMITED, PORT=str(port)) as second:
                wait_until(lambda: "/live" in dashboard.sio.namespaces, "the reconnect")
                png = (Path(__file__).parents[2] / "examples/digits/3.png").read_bytes()
                assert second.admin_client().predict("ab", png).status_code == 200
                dashboard.wait_for("traffic", requests=1)

"""Who may listen, and when that ends, over real sockets."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import socketio
from flask_jwt_extended import decode_token
from websocket import WebSocket, WebSocketBadStatusException, create_connection

from app.api.http.authentication import create_tokens
from app.services.accounts.sessions import TokenGrant
from config import Config
from tests.conftest import second_app
from tests.support.live_client import Listener, listening, wait_until
from tests.support.server_process import ROOT, UNLIMITED, Client, Server, serve


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("live"), **UNLIMITED) as running:
        yield running


def access(client: Client) -> str:
    return str(client.tokens["access_token"])


def account_of(server: Server, username: str) -> int:
    users = server.admin_client().call("GET", "/admin/users").json()["users"]
    return next(int(user["id"]) for user in users if user["username"] == username)


def refusal(server: Server, token: object) -> dict[str, object]:
    """What a connection with this token is told."""
    listener = Listener.__new__(Listener)
    with pytest.raises(socketio.exceptions.ConnectionError):
        listener.__init__(server.url, token)  # type: ignore[misc]
    wait_until(lambda: listener.refusals, "the refusal")
    listener.client.eio.disconnect()
    told = listener.refusals[0]
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize("token", [None, "", "x", 7, {"a": 1}, "a.b.c"])
def test_without_a_good_token_nobody_is_let_in(server: Server, token: object) -> None:
    assert refusal(server, token)["data"] == {"code": "unauthorized"}


def test_a_refresh_token_lets_nobody_in(server: Server) -> None:
    told = refusal(server, server.admin_client().tokens["refresh_token"])
    assert told["data"] == {"code": "unauthorized"}


def test_a_revoked_token_lets_nobody_in(server: Server) -> None:
    admin = server.admin_client()
    admin.call("POST", "/logout")
    assert refusal(server, access(admin))["message"] == "Token has been revoked"


def test_a_logout_ends_the_connection(server: Server) -> None:
    admin = server.admin_client()
    with listening(server.url, access(admin)) as dashboard:
        admin.call("POST", "/logout")
        dashboard.wait_for_end()


def test_the_connection_ends_with_its_token(server: Server) -> None:
    admin = server.admin_client()
    with second_app(Config.from_env({"DATA_DIR": str(server.data_dir)})) as app, app.app_context():
        claims = decode_token(access(admin))
        grant = TokenGrant(int(claims["sub"]), claims["sid"], "unused")
        app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(seconds=2)
        brief = create_tokens(grant)["access_token"]
    with listening(server.url, brief) as dashboard:
        dashboard.wait_for_end()
    assert refusal(server, brief)["data"] == {"code": "unauthorized"}


def test_another_role_ends_the_connection(server: Server) -> None:
    rita = server.register("rita")
    with listening(server.url, access(rita)) as listener:
        path = f"/admin/users/{account_of(server, 'rita')}"
        server.admin_client().call("PATCH", path, json={"role": "admin"})
        listener.wait_for_end()


def test_a_lock_ends_the_connection(server: Server) -> None:
    lola = server.register("lola")
    with listening(server.url, access(lola)) as listener:
        path = f"/admin/users/{account_of(server, 'lola')}"
        server.admin_client().call("PATCH", path, json={"locked": True})
        listener.wait_for_end()


def test_who_says_that_they_left_is_shown_out(server: Server) -> None:
    """An event of a client's own that is named like ours changes nobody's rights."""
    admin = server.admin_client()
    with listening(server.url, access(admin)) as dashboard:
        dashboard.client.emit("disconnect", "bye", namespace="/live")
        dashboard.wait_for_end()


def raw(server: Server, **options: object) -> WebSocket:
    """A websocket that was opened and shows no token; its owner reads and closes it."""
    address = f"{server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
    return create_connection(address, timeout=30, **options)


def is_refused(server: Server, **options: object) -> bool:
    try:
        raw(server, **options).close()
    except WebSocketBadStatusException:
        return True
    return False


def test_sockets_that_show_no_token_are_closed_and_free_their_places(tmp_path: Path) -> None:
    """On a server where nobody has come in yet; they answer nothing, not even their end."""
    with serve(tmp_path, **UNLIMITED, LIVE_SOCKETS="3", WEB_THREADS="5") as small:
        strangers = [raw(small) for _ in range(3)]
        assert is_refused(small)
        wait_until(lambda: not is_refused(small), "room for a socket")
        strangers += [raw(small) for _ in range(3)]
        admin = small.admin_client()
        assert admin.call("GET", "/admin/report").status_code == 200
        wait_until(lambda: not is_refused(small), "room for a socket")
        with listening(small.url, access(admin)) as dashboard:
            assert dashboard.wait_for("traffic", requests=0)
        for stranger in strangers:
            stranger.shutdown()


@pytest.mark.parametrize("asked", ["transport=polling", "transport=websocket&sid=x"])
def test_nothing_but_a_new_websocket_is_let_through(server: Server, asked: str) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"} if "sid" in asked else {}
    answer = requests.get(f"{server.url}/socket.io/?EIO=4&{asked}", timeout=5, headers=upgrade)
    assert (answer.status_code, answer.json()["status"]) == (400, 400)


def test_pages_of_named_origins_and_our_own_may_connect_and_no_others(tmp_path: Path) -> None:
    with serve(tmp_path, **UNLIMITED, CORS_ORIGINS="https://named.example") as named:
        assert not is_refused(named, origin=named.url)
        assert not is_refused(named, origin="https://named.example")
        assert is_refused(named, origin="https://other.example")


def test_behind_a_proxy_attempts_are_counted_by_client(tmp_path: Path) -> None:
    few = {"RATELIMIT_READ": "1 per minute", "BCRYPT_ROUNDS": "4", "TRUSTED_PROXIES": "1"}
    with serve(tmp_path, **few) as small:
        codes = []
        for client in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
            socket = raw(small, header={"X-Forwarded-For": client})
            socket.recv()
            socket.send('40/live,{"token": "x"}')
            codes.append(json.loads(str(socket.recv()).removeprefix("44/live,"))["data"]["code"])
            socket.shutdown()
    assert codes == ["unauthorized", "unauthorized", "limited"]


def test_a_leaked_key_ends_the_connections_that_it_signed(tmp_path: Path) -> None:
    rotate = [sys.executable, "-m", "flask", "--app", "wsgi", "rotate-key", "--leaked"]
    environment = {"DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    with (
        serve(tmp_path, **UNLIMITED) as fresh,
        listening(fresh.url, access(fresh.admin_client())) as dashboard,
    ):
        subprocess.run(rotate, cwd=ROOT, env=environment, check=True, capture_output=True)
        dashboard.wait_for_end()


def test_one_user_cannot_take_all_the_sockets(server: Server) -> None:
    cleo = server.register("cleo")
    inside = [Listener(server.url, access(cleo)) for _ in range(8)]
    assert refusal(server, access(cleo))["data"] == {"code": "full"}
    for listener in inside:
        listener.client.disconnect()


def test_more_sockets_than_the_cap_are_refused_and_requests_go_on(tmp_path: Path) -> None:
    few = {"LIVE_SOCKETS": "2", "WEB_THREADS": "4"}
    with serve(tmp_path, **UNLIMITED, **few) as small:
        admin = small.admin_client()
        with listening(small.url, access(admin)), listening(small.url, access(admin)):
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
            opening = f"{small.url}/socket.io/?EIO=4&transport=websocket"
            refused = requests.get(opening, timeout=5, headers=upgrade)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"]
            assert refused.json()["status"] == 503
            assert admin.call("GET", "/admin/report").status_code == 200
        wait_until(lambda: not is_refused(small), "room for a socket")


def test_attempts_to_connect_are_limited_by_address(tmp_path: Path) -> None:
    limited = {"RATELIMIT_READ": "3 per minute", "BCRYPT_ROUNDS": "4"}
    with serve(tmp_path, **limited) as small:
        codes = [refusal(small, "x")["data"] for _ in range(4)]
    assert codes == [{"code": "unauthorized"}] * 3 + [{"code": "limited"}]


def test_an_ended_server_lets_its_sockets_go_and_the_next_one_takes_them_up(
    tmp_path: Path,
) -> None:
    with serve(tmp_path, **UNLIMITED) as first:
        token = access(first.admin_client())
        port = first.port
        with listening(first.url, token, again=True) as dashboard:
            first.process.terminate()
            assert first.process.wait(timeout=8) == 0  # the graceful timeout is ten
            with serve(tmp_path, **UNLIMITED, PORT=str(port)) as second:
                wait_until(lambda: "/live" in dashboard.client.namespaces, "the way back")
                png = (Path(__file__).parents[2] / "examples/digits/3.png").read_bytes()
                assert second.admin_client().predict("ab", png).status_code == 200
                dashboard.wait_for("traffic", requests=1)

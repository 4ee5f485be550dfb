"""The log of a running server: one line for each request, in text or JSON, without private data."""

import json
import logging
import re
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import create_engine, insert
from sqlalchemy.exc import IntegrityError

from app.store.engine.db import engine_options
from app.store.tables import Base, User
from logging_config import logging_settings
from tests.conftest import GoldenSet, make_config, opened_app
from tests.support.server_process import UNLIMITED, Server, serve

TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) \S")


def use_service(server: Server, golden: GoldenSet) -> list[str]:
    """Send private data in many ways; return the strings that must not be in the log."""
    ana = server.register("ana.of.the.name")
    made = ana.predict("v2", golden.png(0)).json()
    feedback = {
        "prediction_id": made["prediction_id"],
        "correct": True,
        "comment": "a private comment",
    }
    assert ana.call("POST", "/feedback", json=feedback).status_code == 201
    address = {"email": "ana@example.org"}
    account = {"username": "bea.of.the.name", "password": "a pass phrase"} | address
    assert requests.post(f"{server.url}/register", json=account, timeout=30).status_code == 201
    assert ana.call("GET", "/predictions?limit=17").status_code == 200
    ana.headers["X-Request-ID"] = "the-id-that-was-sent"
    assert ana.call("GET", "/nowhere/at/all?token=secret").status_code == 404
    tokens = [part for token in ana.tokens.values() for part in token.split(".")]
    private = ["ana.of.the.name", "a private comment", *account.values(), "limit=17", "secret", "?"]
    return [*tokens, *private, "password of"]


def lines_of(server: Server) -> list[str]:
    return server.log.read_text().splitlines()


def test_json_lines_name_the_user_and_the_route_and_nothing_private(
    tmp_path: Path, golden: GoldenSet
) -> None:
    with serve(tmp_path, **UNLIMITED, LOG_FORMAT="json") as server:
        forbidden = use_service(server, golden)
        anonymous = requests.get(f"{server.url}/predictions", timeout=30)
    log = server.log.read_text()
    assert [part for part in forbidden if part in log] == []
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.splitlines()]
    assert all({"timestamp", "level", "logger", "message"} <= set(line) for line in lines)
    assert any(line["message"] == f"Cifra is ready on {server.url}" for line in lines)
    assert any(line["message"].startswith("Listening at") for line in lines)
    assert any(line["message"].startswith("admin: admin, password in") for line in lines)
    requested = [line for line in lines if line["logger"] == "cifra.access"]
    assert all(line["level"] == "info" for line in requested)
    predicted = next(line for line in requested if line.get("route") == "/api/v2/predict")
    assert (predicted["method"], predicted["status"], predicted["user_id"]) == ("POST", 200, 2)
    assert 0 < predicted["duration_ms"] < 60_000
    anonymous_line = next(
        line for line in requested if line["request_id"] == anonymous.headers["X-Request-ID"]
    )
    assert (anonymous_line["route"], anonymous_line["status"]) == ("/predictions", 401)
    assert "user_id" not in anonymous_line
    not_found = next(line for line in requested if line["status"] == 404)
    assert (not_found["path"], not_found["request_id"]) == (
        "/nowhere/at/all",
        "the-id-that-was-sent",
    )
    assert all("log_context" not in line for line in lines)
    assert len({line["request_id"] for line in requested}) == len(requested)


def test_text_lines_cannot_be_forged(tmp_path: Path, golden: GoldenSet) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        forbidden = use_service(server, golden)
        forged = "/x%0d%0a2026-01-01T00:00:00Z%20ERROR%20forged%e2%80%a8%1b[31mred%20user_id=1"
        requests.get(f"{server.url}{forged}", timeout=30)
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(b"G\x1bET /\x1b[31m HTTP/1.1\r\nA\x1bB: c\r\n\r\n")
            raw.recv(1000)
    log = server.log.read_bytes().decode()
    assert [part for part in forbidden if part in log] == []
    assert "\x1b" not in log
    assert "\u2028" not in log
    assert all(TEXT_LINE.match(line) for line in log.splitlines()), log
    assert f"INFO Cifra is ready on {server.url}\n" in log
    line = next(line for line in log.splitlines() if "forged" in line)
    escaped = r"/x\r\n2026-01-01T00:00:00Z ERROR forged\u2028\x1b[31mred user_id=1"
    assert f'INFO request method=GET path="{escaped}" status=404' in line
    predicted = next(line for line in log.splitlines() if "route=/api/v2/predict" in line)
    assert re.search(
        r"INFO request method=POST route=\S+ status=200 duration_ms=[\d.]+"
        r" user_id=2 request_id=[0-9a-f]{32}$",
        predicted,
    )


@pytest.mark.parametrize(("level", "shown"), [("info", False), ("debug", True)])
def test_requests_of_monitoring_are_logged_at_debug_level(
    tmp_path: Path, level: str, shown: bool
) -> None:
    paths = ["/livez", "/readyz", "/health", "/metrics", "/static/style.css"]
    with serve(tmp_path, **UNLIMITED, LOG_FORMAT="json", LOG_LEVEL=level) as server:
        for path in paths:
            assert requests.get(server.url + path, timeout=30).status_code == 200
        requests.get(f"{server.url}/predictions", timeout=30)
    routes = {json.loads(line).get("route") for line in lines_of(server)} - {None}
    debug_routes = {*paths[:-1], "/static/<path:filename>"}
    assert routes == {"/predictions"} | (debug_routes if shown else set())


@pytest.fixture
def logger_and_file(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Make a logger with the format of the parameter; return it and the file that it writes."""
    formatter = logging_settings(request.param, "info")["formatters"]["lines"]
    handler = logging.FileHandler(tmp_path / "log")
    handler.setFormatter(formatter.pop("()")(**formatter))
    log = logging.getLogger("test")
    log.addHandler(handler)
    yield log, tmp_path / "log"
    log.removeHandler(handler)
    handler.close()


@pytest.mark.parametrize("logger_and_file", ["json"], indirect=True)
def test_lines_of_background_threads_carry_the_thread_name(logger_and_file: Any) -> None:
    log, file = logger_and_file
    thread = threading.Thread(target=lambda: log.warning("slow: %s", "a\nb"), name="housekeeping")
    thread.start()
    thread.join()
    log.warning("from the main thread")
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert (first["thread"], first["message"]) == ("housekeeping", "slow: a\nb")
    assert "thread" not in second


def fail() -> None:
    raise ValueError("one\n2026-01-01T00:00:00Z INFO forged\r\x1b")


@pytest.mark.parametrize("logger_and_file", ["text"], indirect=True)
def test_a_traceback_is_indented_below_its_line(logger_and_file: Any) -> None:
    log, file = logger_and_file
    try:
        fail()
    except ValueError:
        log.exception("it broke")
    first, *traceback = file.read_text().splitlines()
    assert TEXT_LINE.match(first)
    assert first.endswith("ERROR it broke")
    assert "ValueError: one" in "\n".join(traceback)
    assert all(line.startswith("    ") for line in traceback)
    assert "\x1b" not in file.read_text()


def test_creating_an_application_does_not_configure_logging(tmp_path: Path) -> None:
    before = (logging.root.level, list(logging.root.handlers), logging.getLogger("app").handlers)
    with opened_app(make_config(tmp_path)):
        pass
    after = (logging.root.level, list(logging.root.handlers), logging.getLogger("app").handlers)
    assert before == after


def test_database_errors_do_not_contain_parameters(tmp_path: Path) -> None:
    engine = create_engine("sqlite://", hide_parameters=True)
    Base.metadata.create_all(engine)
    row = insert(User).values(username="the same", password_hash="a secret hash")
    with engine.connect() as connection:
        connection.execute(row)
        with pytest.raises(IntegrityError) as raised:
            connection.execute(row)
    engine.dispose()
    assert "a secret hash" not in str(raised.value)
    for url in ("sqlite:///app.db", "postgresql+psycopg://x"):
        assert engine_options(url, 1)["hide_parameters"] is True

"""The log of a served Cifra: a line for each request, in text or JSON, that gives nothing away."""

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

from app import create_app
from app.store.engine.db import engine_options
from app.store.tables import Base, User
from logging_config import logging_settings
from tests.conftest import GoldenSet, make_config
from tests.support.server_process import UNLIMITED, Server, serve

TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) \S")


def use(server: Server, golden: GoldenSet) -> list[str]:
    """Do what must not be found in the log again; returns what that is."""
    ana = server.register("ana.of.the.name")
    made = ana.predict("v2", golden.png(0)).json()
    word = {"prediction_id": made["prediction_id"], "correct": True, "comment": "a dear comment"}
    assert ana.call("POST", "/feedback", json=word).status_code == 201
    address = {"email": "ana@example.org"}
    account = {"username": "bea.of.the.name", "password": "a pass phrase"} | address
    assert requests.post(f"{server.url}/register", json=account, timeout=30).status_code == 201
    assert ana.call("GET", "/predictions?limit=17").status_code == 200
    ana.headers["X-Request-ID"] = "the-id-that-was-sent"
    assert ana.call("GET", "/nowhere/at/all?token=secret").status_code == 404
    tokens = [part for token in ana.tokens.values() for part in token.split(".")]
    told = ["ana.of.the.name", "a dear comment", *account.values(), "limit=17", "secret", "?"]
    return [*tokens, *told, "password of"]


def lines_of(server: Server) -> list[str]:
    return server.log.read_text().splitlines()


def test_json_lines_say_who_asked_what_and_nothing_else(tmp_path: Path, golden: GoldenSet) -> None:
    with serve(tmp_path, **UNLIMITED, LOG_FORMAT="json") as server:
        forbidden = use(server, golden)
        asked = requests.get(f"{server.url}/predictions", timeout=30)
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
    stranger = next(
        line for line in requested if line["request_id"] == asked.headers["X-Request-ID"]
    )
    assert (stranger["route"], stranger["status"]) == ("/predictions", 401)
    assert "user_id" not in stranger
    lost = next(line for line in requested if line["status"] == 404)
    assert (lost["path"], lost["request_id"]) == ("/nowhere/at/all", "the-id-that-was-sent")
    assert all("asked" not in line for line in lines)
    assert len({line["request_id"] for line in requested}) == len(requested)


def test_text_lines_cannot_be_forged(tmp_path: Path, golden: GoldenSet) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        forbidden = use(server, golden)
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
def test_what_machines_ask_over_and_over_is_for_debugging(
    tmp_path: Path, level: str, shown: bool
) -> None:
    quiet = ["/livez", "/readyz", "/health", "/metrics", "/static/style.css"]
    with serve(tmp_path, **UNLIMITED, LOG_FORMAT="json", LOG_LEVEL=level) as server:
        for path in quiet:
            assert requests.get(server.url + path, timeout=30).status_code == 200
        requests.get(f"{server.url}/predictions", timeout=30)
    routes = {json.loads(line).get("route") for line in lines_of(server)} - {None}
    quiet_routes = {*quiet[:-1], "/static/<path:filename>"}
    assert routes == {"/predictions"} | (quiet_routes if shown else set())


@pytest.fixture
def written(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """A logger whose lines are in the format asked for, and the file that it writes."""
    formatter = logging_settings(request.param, "info")["formatters"]["lines"]
    handler = logging.FileHandler(tmp_path / "log")
    handler.setFormatter(formatter.pop("()")(**formatter))
    log = logging.getLogger("of a test")
    log.addHandler(handler)
    yield log, tmp_path / "log"
    log.removeHandler(handler)
    handler.close()


@pytest.mark.parametrize("written", ["json"], indirect=True)
def test_a_background_threads_line_carries_its_name(written: Any) -> None:
    log, file = written
    thread = threading.Thread(target=lambda: log.warning("slow: %s", "a\nb"), name="lookout")
    thread.start()
    thread.join()
    log.warning("of the main thread")
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert (first["thread"], first["message"]) == ("lookout", "slow: a\nb")
    assert "thread" not in second


def fail() -> None:
    raise ValueError("one\n2026-01-01T00:00:00Z INFO forged\r\x1b")


@pytest.mark.parametrize("written", ["text"], indirect=True)
def test_a_traceback_stands_below_its_line_and_looks_like_no_other(written: Any) -> None:
    log, file = written
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


def test_making_an_application_leaves_logging_alone(tmp_path: Path) -> None:
    before = (logging.root.level, list(logging.root.handlers), logging.getLogger("app").handlers)
    create_app(make_config(tmp_path))
    assert before == (
        *(logging.root.level, list(logging.root.handlers)),
        logging.getLogger("app").handlers,
    )


def test_an_error_of_the_database_does_not_repeat_what_was_sent(tmp_path: Path) -> None:
    engine = create_engine("sqlite://", hide_parameters=True)
    Base.metadata.create_all(engine)
    row = insert(User).values(username="the same", password_hash="a secret hash")
    with engine.connect() as connection:
        connection.execute(row)
        with pytest.raises(IntegrityError) as refused:
            connection.execute(row)
    engine.dispose()
    assert "a secret hash" not in str(refused.value)
    for url in ("sqlite:///app.db", "postgresql+psycopg://x"):
        assert engine_options(url, 1)["hide_parameters"] is True

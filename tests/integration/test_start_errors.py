"""A start that cannot succeed ends with one line: what arrived, what was expected, what to do."""

import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import serve_granian
from config import ConfigError
from tests.conftest import SECRETS
from tests.support.cli import run_flask, run_flask_process
from tests.support.server_process import EMBEDDED, HTTP_TIER, ROOT, Server, free_port

MAP_ROOT = ("unshare", "--map-root-user", "--mount", "sh", "-c")
READ_ONLY = (
    'mount --bind "$DATA_DIR" "$DATA_DIR" && mount -o remount,ro,bind "$DATA_DIR" && exec "$@"'
)


def start_gunicorn() -> None:
    runpy.run_path(str(ROOT / "gunicorn.conf.py"))


def run_command() -> None:
    runpy.run_path(str(ROOT / "wsgi.py"))


SERVERS = pytest.mark.parametrize("start", [start_gunicorn, serve_granian.main])
ALL = pytest.mark.parametrize("start", [start_gunicorn, serve_granian.main, run_command])


def error_of(
    start: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    data_dir: Path | str,
    **settings: str,
) -> str:
    """Start in this process with these settings only; return the line that it ends with."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in {"DATA_DIR": str(data_dir), "PORT": str(free_port()), **settings}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as raised:
        start()
    line = str(raised.value)
    assert line.startswith("cifra: ")
    assert "\n" not in line
    return line


NO_UTF_8 = os.fsdecode(b"\xff" * 40)


@ALL
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "9" * 5_000, "from 1 to 65535"),
        ("REDIS_URL", "redis://localhost:99999/0", "redis://HOST:PORT/NUMBER"),
        ("REDIS_URL", "redis://:6379/0", "redis://HOST:PORT/NUMBER"),
        ("MAIL_SERVER", "smtp://mail.example.org", "'smtp://mail.example.org'"),
        ("SECRET_KEY", NO_UTF_8, "UTF-8"),
        ("ADMIN_PASSWORD", NO_UTF_8, "UTF-8"),
        ("HOST", NO_UTF_8, "UTF-8"),
        ("DATABASE_URL", f"sqlite:///{NO_UTF_8}", "UTF-8"),
        ("DATA_DIR", f"/tmp/{NO_UTF_8}", "UTF-8"),
        ("DATA_DIR", "/" + "x" * 5_000, "File name too long"),
        ("DATA_DIR", "/sys/cifra", "set DATA_DIR to a folder that this user can write"),
    ],
)
def test_an_unusable_setting_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[], None],
    name: str,
    value: str,
    expected: str,
) -> None:
    line = error_of(start, monkeypatch, tmp_path, **{name: value})
    assert name in line
    assert expected in line
    assert len(line) < 300


@ALL
def test_a_data_dir_that_is_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[[], None]
) -> None:
    file, loop = tmp_path / "file", tmp_path / "loop"
    file.touch()
    loop.symlink_to(loop)
    for data_dir in (file, file / "below", loop):
        assert (
            f"DATA_DIR {data_dir} cannot be created"
            in (line := error_of(start, monkeypatch, data_dir))
            or "DATA_DIR must be a folder" in line
        )


@ALL
@pytest.mark.parametrize("content", [b"\xff" * 40, b"short", b""])
@pytest.mark.parametrize("name", ["jwt_secret_key", "secret_key"])
def test_a_damaged_key_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[], None],
    name: str,
    content: bytes,
) -> None:
    (tmp_path / name).write_bytes(content)
    line = error_of(start, monkeypatch, tmp_path)
    assert f"{tmp_path / name} is damaged" in line
    assert "restore it from a backup" in line


@SERVERS
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("http://0.0.0.0", "a name that resolves"),
        ("nowhere.invalid", "a name that resolves"),
        ("[::1]", "a name that resolves"),
        ("x" * 70, "a name that resolves"),
        ("192.0.2.1", "is not an address of this machine"),
    ],
)
def test_a_host_that_is_none_of_this_machine_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[], None],
    host: str,
    expected: str,
) -> None:
    line = error_of(start, monkeypatch, tmp_path, **SECRETS, HOST=host)
    assert line.startswith("cifra: HOST")
    assert repr(host) in line
    assert expected in line


@SERVERS
def test_a_port_in_use_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[[], None]
) -> None:
    monkeypatch.setattr("serving.start_checks.PORT_TIMEOUT_S", 0.2)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = error_of(start, monkeypatch, tmp_path, PORT=str(port))
    assert f"PORT {port} of 127.0.0.1 is in use by another program" in line
    assert "set PORT to a free one" in line


def test_a_privileged_port_is_named(tmp_path: Path) -> None:
    code = (
        "import encodings.idna, os; from config import Config\n"
        "from serving.start_checks import check_address\n"
        f"config = Config.from_env({{'DATA_DIR': {str(tmp_path)!r}, 'PORT': '1'}})\n"
        "os.geteuid() or os.setuid(65534)\n"
        "check_address(config)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "cifra: PORT 1 may not be used by this user; set PORT to 1024 or above, and let a proxy"
        " listen on the lower one\n"
    )


def stderr_of(command: tuple[str, ...], data_dir: Path, **settings: str) -> str:
    """Return what a server prints that does not start."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


@pytest.mark.slow
def test_a_second_server_on_a_data_dir_is_refused_with_one_line(server: Server) -> None:
    for command in (EMBEDDED, HTTP_TIER):
        line = stderr_of(command, server.data_dir, PORT=str(free_port()))
        assert line.startswith(f"cifra: DATA_DIR {server.data_dir} is in use by another server")
        assert line.count("\n") == 1


@pytest.mark.slow
def test_a_read_only_data_dir_is_named(tmp_path: Path) -> None:
    allowed = subprocess.run([*MAP_ROOT, "true"], check=False).returncode == 0
    if not allowed:
        missing = "user namespaces are not allowed here"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    assert run_flask(tmp_path, "prepare").returncode == 0
    for command in (
        EMBEDDED,
        HTTP_TIER,
        (sys.executable, "-m", "flask", "--app", "wsgi", "worker"),
    ):
        line = stderr_of((*MAP_ROOT, READ_ONLY, "sh", *command), tmp_path, PORT=str(free_port()))
        reason = f"DATA_DIR {tmp_path} cannot be written: Read-only file system; make it writable"
        assert reason in line.splitlines()[-1]
        assert "Traceback" not in line


@pytest.mark.slow
def test_commands_without_their_database_end_with_one_line(tmp_path: Path) -> None:
    url = f"postgresql://x@127.0.0.1:{free_port()}/cifra"
    for command in (["verify-counters"], ["create-admin", "ana", "--password", "long enough"]):
        done = run_flask(tmp_path, *command, DATABASE_URL=url, **SECRETS)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: The database does not answer: ")
        assert done.stderr.count("\n") == 1
    done = run_flask_process(tmp_path, "worker", PORT="none")
    assert done.stderr == "cifra: PORT must be an integer from 1 to 65535, not 'none'\n"
    assert done.returncode == 1

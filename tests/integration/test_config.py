"""Settings: defaults, values that stop the start, secrets, and the table in the documents."""

import contextlib
import re
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config import Config, ConfigError, child_environment
from tests.conftest import SECRETS
from tests.support.server_process import ROOT, free_port

POSTGRES = {"DATABASE_URL": "postgresql://x@localhost/cifra"}


def from_env(tmp_path: Path, **values: str) -> Config:
    return Config.from_env({"DATA_DIR": str(tmp_path)} | values)


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    config = from_env(tmp_path)
    assert (config.host, config.port) == ("127.0.0.1", 5000)
    assert config.database_url == f"sqlite:///{tmp_path}/app.db"
    assert (config.access_token_minutes, config.refresh_token_days) == (60, 30)
    assert config.ratelimit_default == "200 per day;50 per hour"
    assert (config.ratelimit_v1, config.ratelimit_v2) == ("100 per day", "150 per day")
    assert config.registration_open
    assert config.ratelimit_enabled


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "\N{ARABIC-INDIC DIGIT FIVE}"),
        ("ACCESS_TOKEN_MINUTES", "-1"),
        ("WEB_WORKERS", "2"),
        ("WEB_THREADS", "0"),
        ("REGISTRATION", "perhaps"),
        ("RATELIMIT_ENABLED", "perhaps"),
        ("SECRET_KEY", "short"),
        ("JWT_SECRET_KEY", "x" * 31),
        ("JWT_PREVIOUS_KEYS", f"{'x' * 32}, short"),
        ("LOG_LEVEL", "loud"),
        ("MAIL_DEFAULT_SENDER", "cifra@example.org\r\nBcc: b@example.org"),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("RATELIMIT_V1", "often"),
        ("RATELIMIT_DEFAULT", "5 per fortnight"),
        ("CORS_ORIGINS", "https://*.example.org"),
        ("CORS_ORIGINS", "example.org"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///file:x?mode=memory&uri=true"),
        ("DATABASE_URL", "postgresql://u:p@host:port/x"),
        ("DATABASE_URL", "no url"),
    ],
)
def test_an_invalid_value_stops_the_start_with_one_line_that_names_it(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^cifra: {name}[^\n]*$"):
        from_env(tmp_path, **{name: value})


def log_of_failed_start(tmp_path: Path, **settings: str) -> str:
    """Start a server with settings that it cannot start with; return its log."""
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn"],
        cwd=ROOT,
        env={"DATA_DIR": str(tmp_path), "PORT": str(free_port())} | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    return done.stderr


def test_a_server_with_an_invalid_value_prints_only_that_line(tmp_path: Path) -> None:
    log = log_of_failed_start(tmp_path, PORT="none")
    assert log == "cifra: PORT must be an integer from 1 to 65535, not 'none'\n"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"DATABASE_URL": "postgresql://127.0.0.1:1/cifra"} | SECRETS,
            "cifra: The database cannot be used: connection failed",
        ),
        (
            {"DATABASE_URL": "sqlite:////nowhere/app.db"},
            "cifra: The database cannot be used: unable to open database file",
        ),
    ],
)
def test_a_server_without_its_database_prints_one_line_about_it(
    tmp_path: Path, settings: dict[str, str], line: str
) -> None:
    log = log_of_failed_start(tmp_path, **settings)
    assert log.count(line) == 1, log
    assert "Traceback" not in log


def test_a_server_with_the_database_of_another_program_prints_one_line_about_it(
    tmp_path: Path,
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "app.db")) as foreign:
        foreign.execute('CREATE TABLE "user" (id INTEGER PRIMARY KEY, nickname TEXT)')
    log = log_of_failed_start(tmp_path)
    assert log.count("cifra: The table user of this database lacks username") == 1, log
    assert "Traceback" not in log


def test_a_server_with_a_damaged_database_prints_one_line_about_it_and_ends(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_bytes(b"garbage, " * 1_000)
    log = log_of_failed_start(tmp_path)
    advice = f"move app.db* out of {tmp_path}, and restore a backup"
    assert log.count(f"cifra: The database cannot be used: file is not a database; {advice}") == 1
    assert "Traceback" not in log


def test_a_server_whose_database_is_lost_prints_one_line_about_it_and_ends(tmp_path: Path) -> None:
    for name in ("secret_key", "jwt_secret_key"):
        (tmp_path / name).write_text("s" * 32)
    log = log_of_failed_start(tmp_path)
    assert log.count(f"cifra: There is no database at {tmp_path}/app.db, although") == 1
    assert "Traceback" not in log
    assert not (tmp_path / "app.db").exists()


def test_secrets_are_created_once_and_readable_only_by_their_owner(tmp_path: Path) -> None:
    first, second = from_env(tmp_path), from_env(tmp_path)
    assert (first.secret_key, first.jwt_secret_key) == (second.secret_key, second.jwt_secret_key)
    assert first.secret_key != first.jwt_secret_key
    for name in ("secret_key", "jwt_secret_key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_concurrent_starts_use_the_same_secret(tmp_path: Path) -> None:
    for round_ in range(50):
        folder = tmp_path / str(round_)
        with ThreadPoolExecutor(4) as pool:
            configs = list(pool.map(lambda _, at=folder: from_env(at), range(4)))
        assert len({config.secret_key for config in configs}) == 1


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///app.db", "data/app.db"),
        ("sqlite:///old/app.db", "data/old/app.db"),
        ("", "data/app.db"),
    ],
)
def test_a_relative_database_path_is_in_data_dir(tmp_path: Path, url: str, file: str) -> None:
    config = Config.from_env({"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": url})
    assert config.database_url == f"sqlite:///{tmp_path}/{file}"


def test_an_absolute_database_path_is_kept(tmp_path: Path) -> None:
    config = from_env(tmp_path / "data", DATABASE_URL=f"sqlite:///{tmp_path}/elsewhere.db")
    assert config.database_url == f"sqlite:///{tmp_path}/elsewhere.db"


def test_spaces_in_a_password_are_kept(tmp_path: Path) -> None:
    assert from_env(tmp_path, ADMIN_PASSWORD=" spaced out ").admin_password == " spaced out "


def test_a_new_data_dir_is_accessible_only_to_its_owner(tmp_path: Path) -> None:
    from_env(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_damaged_secret_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("")
    with pytest.raises(ConfigError, match="damaged"):
        from_env(tmp_path)


def test_on_postgresql_the_secrets_must_be_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="SECRET_KEY must be set"):
        from_env(tmp_path, **POSTGRES)
    config = from_env(tmp_path, **POSTGRES, **SECRETS)
    assert config.database_url == "postgresql+psycopg://x@localhost/cifra"


def test_the_configuration_page_has_every_setting_with_its_default() -> None:
    page = (ROOT / "docs" / "CONFIGURATION.md").read_text()
    table = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \|", page, re.M))
    settings = dict(
        re.findall(r'env\.\w+\(\s*"(\w+)",?\s*([^,)]*)', (ROOT / "config.py").read_text())
    )
    assert set(table) == set(settings)
    for name, default in settings.items():
        if re.fullmatch(r'"[^"]+"|[\d.]+', default):
            assert f"`{default.strip(chr(34))}`" in table[name], name


def test_the_environment_of_child_processes_has_no_secrets() -> None:
    names = ("SECRET_KEY", "DATABASE_URL", "PGPASSWORD", "REDIS_URL", "MAIL_PASSWORD")
    assert child_environment({"PATH": "/bin", **dict.fromkeys(names, "x")}) == {"PATH": "/bin"}

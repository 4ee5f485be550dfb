"""Settings: their defaults, what stops a start, the secrets, and the README's table of them."""

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config import Config, ConfigError
from tests.conftest import SECRETS
from tests.served import ROOT

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
        ("AB_WEIGHT", "1.5"),
        ("AB_WEIGHT", "nan"),
        ("AB_UNIT", "country"),
        ("SECRET_KEY", "short"),
        ("JWT_SECRET_KEY", "x" * 31),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("RATELIMIT_V1", "often"),
        ("RATELIMIT_DEFAULT", "5 per fortnight"),
    ],
)
def test_a_bad_value_stops_the_start_with_one_line_that_names_it(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^cifra: {name}[^\n]*$"):
        from_env(tmp_path, **{name: value})


def test_a_server_with_a_bad_value_ends_with_that_line_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn"],
        cwd=ROOT,
        env={"DATA_DIR": str(tmp_path), "PORT": "none"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr == "cifra: PORT must be a whole number from 1 to 65535, not 'none'\n"


def test_secrets_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    first, second = from_env(tmp_path), from_env(tmp_path)
    assert (first.secret_key, first.jwt_secret_key) == (second.secret_key, second.jwt_secret_key)
    assert first.secret_key != first.jwt_secret_key
    for name in ("secret_key", "jwt_secret_key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_new_data_dir_is_for_its_owner_alone(tmp_path: Path) -> None:
    from_env(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_damaged_secret_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("")
    with pytest.raises(ConfigError, match="damaged"):
        from_env(tmp_path)


def test_on_postgresql_the_secrets_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="SECRET_KEY must be set"):
        from_env(tmp_path, **POSTGRES)
    config = from_env(tmp_path, **POSTGRES, **SECRETS)
    assert config.database_url == "postgresql+psycopg://x@localhost/cifra"


def test_the_readme_has_every_setting_with_its_default() -> None:
    table = dict(
        re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \|", (ROOT / "README.md").read_text(), re.M)
    )
    read = dict(re.findall(r'env\.\w+\(\s*"(\w+)",?\s*([^,)]*)', (ROOT / "config.py").read_text()))
    assert set(table) == set(read)
    for name, default in read.items():
        if re.fullmatch(r'"[^"]+"|[\d.]+', default):
            assert f"`{default.strip(chr(34))}`" in table[name], name

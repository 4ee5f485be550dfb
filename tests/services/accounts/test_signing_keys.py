"""Signing keys in files: rotation loses none and drops expired ones; damage is survived."""

import os
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.errors import Unavailable
from app.services.accounts import signing_keys
from app.services.accounts.signing_keys import MAX_RETIRED, KeyFiles, SigningKeys
from tests.support.cli import start_flask
from tests.support.clocks import clock_ahead

FIRST = "the first key, which has 32 bytes or more"
MONTH = timedelta(days=30)


@pytest.fixture
def files(tmp_path: Path) -> KeyFiles:
    kept = KeyFiles(tmp_path / "jwt_secret_key", MONTH)
    kept.current.write_text(FIRST)
    kept.current.chmod(0o600)
    return kept


def test_a_rotation_takes_effect_at_once_and_the_previous_key_still_verifies(
    files: KeyFiles,
) -> None:
    keys = SigningKeys(FIRST, files=files)
    first = keys.current()
    new = files.rotate()
    assert (first.secret, keys.current()) == (FIRST, new)
    assert keys.get(first.kid) == first
    assert keys.get(new.kid) == new
    assert keys.get("00000000") is None
    assert new.secret not in new.kid
    assert len({first.kid, new.kid}) == 2


def test_a_token_without_a_key_id_is_verified_with_the_oldest_key(files: KeyFiles) -> None:
    keys = SigningKeys(FIRST, files=files)
    files.rotate()
    files.rotate()
    oldest = keys.get(None)
    assert oldest is not None
    assert oldest.secret == FIRST


def test_only_the_owner_can_read_key_files(files: KeyFiles) -> None:
    files.rotate()
    for path in (files.current, files.retired):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {path.name for path in files.current.parent.iterdir()} == {
        "jwt_secret_key",
        "jwt_retired_keys",
    }


def test_a_key_is_trusted_until_its_last_token_has_expired(files: KeyFiles) -> None:
    files.rotate()
    (retired,) = files.read_retired()
    assert MONTH < retired.trusted_until - datetime.now(UTC) < MONTH + timedelta(minutes=6)
    past = datetime.now(UTC) - timedelta(seconds=1)
    files.retired.write_text(f"{past.isoformat()} {FIRST}\n")
    assert [key.secret for key in files.read()] == [files.current.read_text()]
    for _ in range(MAX_RETIRED):
        files.rotate()
    assert FIRST not in files.retired.read_text()


def test_a_rotation_while_the_clock_is_ahead_keeps_the_keys_that_are_trusted_once_it_is_right(
    files: KeyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = files.rotate()
    with monkeypatch.context() as patched:
        patched.setattr(signing_keys, "datetime", clock_ahead(timedelta(days=400)))
        files.rotate()
        assert FIRST not in [key.secret for key in files.read()]
    assert [key.secret for key in files.read()][1:] == [second.secret, FIRST]


def test_a_running_server_stops_trusting_an_expired_key(
    files: KeyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = SigningKeys(FIRST, files=files)
    first = keys.current()
    soon = datetime.now(UTC) + timedelta(milliseconds=200)
    new = files.rotate()
    files.retired.write_text(f"{soon.isoformat()} {FIRST}\n")
    assert keys.get(first.kid) == first
    while datetime.now(UTC) < soon:
        time.sleep(0.05)
    later_s = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later_s)
    assert keys.get(first.kid) is None
    assert keys.current() == new


def test_after_a_leak_no_previous_key_is_trusted(files: KeyFiles) -> None:
    keys = SigningKeys(FIRST, files=files)
    first, second = keys.current(), files.rotate()
    third = files.rotate(keep_old=False)
    assert keys.current() == third
    assert keys.get(first.kid) is keys.get(second.kid) is None
    assert FIRST not in files.retired.read_text()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jwt_secret_key", "short"),
        ("jwt_secret_key", ""),
        ("jwt_retired_keys", "no time and key"),
        ("jwt_retired_keys", "2026-01-01T00:00:00+00:00"),
        ("jwt_retired_keys", f"yesterday {FIRST}"),
        ("jwt_retired_keys", "\0\0\0"),
    ],
)
def test_a_server_keeps_its_keys_when_the_files_are_damaged(
    files: KeyFiles, caplog: pytest.LogCaptureFixture, name: str, content: str
) -> None:
    keys = SigningKeys(FIRST, files=files)
    new = files.rotate()
    assert keys.current() == new
    files.current.with_name(name).write_text(content)
    with pytest.raises(Unavailable, match=f"{name} is damaged"):
        files.read()
    for _ in range(3):
        assert keys.current() == new
        assert keys.get(None) is not None
    assert caplog.text.count(f"{name} is damaged") == 1
    assert FIRST not in caplog.text


def test_keys_from_the_settings_need_no_file() -> None:
    keys = SigningKeys(FIRST, ["the key before it", "and the one before that"])
    found = [keys.get(keys.current().kid), keys.get(None)]
    assert [key and key.secret for key in found] == [FIRST, "and the one before that"]


@pytest.mark.slow
def test_concurrent_rotations_lose_no_key(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)}
    outputs = [tmp_path / f"output{number}" for number in range(4)]
    rotating = [start_flask(environment, output, "rotate-key") for output in outputs]
    assert [process.wait(120) for process in rotating] == [0] * 4
    lines = [output.read_text().splitlines()[0] for output in outputs]
    made = {line.removeprefix("tokens are now signed with ") for line in lines}
    found = KeyFiles(tmp_path / "jwt_secret_key", MONTH).read()
    assert len(made) == 4
    assert made < {key.kid for key in found}
    assert len(found) == 5

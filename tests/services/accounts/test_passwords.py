"""Password hashing: right, slow for everybody alike, and not too many at once."""

import threading

import pytest

from app.domain.errors import Unavailable
from app.services.accounts import passwords
from app.services.accounts.passwords import PasswordHasher


@pytest.fixture(scope="module")
def hasher() -> PasswordHasher:
    return PasswordHasher(rounds=4)


@pytest.mark.parametrize("password", ["long enough", "ñandú y más", "x" * 72])
def test_the_right_password_matches_and_another_does_not(
    hasher: PasswordHasher, password: str
) -> None:
    kept = hasher.hash(password)
    assert hasher.matches(password, kept)
    assert not hasher.matches(password[:-1], kept)


@pytest.mark.parametrize("password", ["anything", "placeholder password", "", "x" * 73, "a\0b"])
def test_nothing_matches_where_there_is_no_hash(hasher: PasswordHasher, password: str) -> None:
    assert not hasher.matches(password, None)


@pytest.mark.parametrize("password", ["x" * 73, "long enough\0"])
def test_what_bcrypt_would_cut_off_or_refuse_matches_nothing(
    hasher: PasswordHasher, password: str
) -> None:
    assert not hasher.matches(password, hasher.hash("x" * 72))


def test_whoever_waits_too_long_for_a_turn_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_WAIT_S", 0.05)
    slow = PasswordHasher(rounds=13, max_concurrent=1)
    refused: list[Unavailable] = []

    def hash_once() -> None:
        try:
            slow.hash("long enough")
        except Unavailable as error:
            refused.append(error)

    threads = [threading.Thread(target=hash_once) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 2
    assert PasswordHasher(rounds=4, max_concurrent=1).hash("long enough")

"""Password hashing: correct, of the same duration for unknown users, limited in concurrency."""

import threading

import pytest

from app.domain.errors import Unavailable
from app.services.accounts import passwords
from app.services.accounts.passwords import PasswordHasher


@pytest.fixture(scope="module")
def hasher() -> PasswordHasher:
    return PasswordHasher(rounds=4)


@pytest.mark.parametrize("password", ["long enough", "ñandú y más", "x" * 72])
def test_only_the_correct_password_matches(hasher: PasswordHasher, password: str) -> None:
    stored = hasher.hash(password)
    assert hasher.matches(password, stored)
    assert not hasher.matches(password[:-1], stored)


@pytest.mark.parametrize("password", ["anything", "placeholder password", "", "x" * 73, "a\0b"])
def test_no_password_matches_without_a_hash(hasher: PasswordHasher, password: str) -> None:
    assert not hasher.matches(password, None)


@pytest.mark.parametrize("password", ["x" * 73, "long enough\0"])
def test_a_password_that_bcrypt_would_truncate_or_reject_never_matches(
    hasher: PasswordHasher, password: str
) -> None:
    assert not hasher.matches(password, hasher.hash("x" * 72))


def test_waiting_too_long_for_a_free_slot_raises_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAIT_S", 0.05)
    slow = PasswordHasher(rounds=13, max_concurrent=1)
    rejected: list[Unavailable] = []

    def hash_once() -> None:
        try:
            slow.hash("long enough")
        except Unavailable as error:
            rejected.append(error)

    threads = [threading.Thread(target=hash_once) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rejected) == 2
    assert PasswordHasher(rounds=4, max_concurrent=1).hash("long enough")

"""The rules for usernames, passwords and email addresses."""

import pytest

from app.domain.credentials import check_email, check_password, check_username, fits_bcrypt
from app.domain.errors import InvalidInput, WeakPassword


@pytest.mark.parametrize("name", ["a", "ana", "José Luis", "数字", "x" * 80])
def test_usernames_may_be_in_any_script(name: str) -> None:
    assert check_username(name) == name


def test_a_username_has_one_normal_form() -> None:
    assert check_username("Jose\N{COMBINING ACUTE ACCENT}") == "José"


@pytest.mark.parametrize("name", ["", " ", " ana", "ana ", "x" * 81, "a\nb", "a\0b", "a\tb"])
def test_invalid_usernames_are_rejected(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_username(name)


@pytest.mark.parametrize("password", ["12345678", "x" * 72, "ñ" * 36, "two words"])
def test_passwords_of_8_characters_to_72_bytes_are_accepted(password: str) -> None:
    check_password(password)
    assert fits_bcrypt(password)


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("1234567", "at least 8"),
        ("x" * 73, "at most 72"),
        ("ñ" * 37, "at most 72"),
        ("12345678\0", "zero"),
    ],
)
def test_a_rejected_password_names_the_rule_that_it_breaks(password: str, rule: str) -> None:
    with pytest.raises(WeakPassword, match=rule):
        check_password(password)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ana",
        "ana@",
        "@x.org",
        "a b@x.org",
        "a@x.org\r\nBcc: b@x.org",
        "a@b@x.org",
        "a@x.org\n",
        "a@x.org,b",
        "a,b@x.org",
        "a@x",
        "<a@x.org>",
        "a(b)@x.org",
        '"a"@x.org',
        "a@\x01x.org",
        "a;@x.org",
        "ñ@x.org",
    ],
)
def test_an_invalid_email_address_is_rejected(email: str) -> None:
    with pytest.raises(InvalidInput):
        check_email(email)


def test_a_plain_email_address_is_accepted() -> None:
    assert check_email("ana@example.org") == "ana@example.org"

"""What a digest says, and in which order."""

from datetime import UTC, datetime, timedelta

from app.domain.notifications import (
    MAX_LINES_PER_KIND,
    Notification,
    NotificationKind,
    build_digest,
    single_line,
)

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def notices(kind: NotificationKind, count: int) -> list[Notification]:
    return [
        Notification(number, kind, f"{kind} {number}.", NOON + timedelta(minutes=number))
        for number in range(count)
    ]


def test_a_digest_is_by_kind_with_the_time_of_each() -> None:
    made = build_digest(notices(NotificationKind.FEEDBACK, 1) + notices(NotificationKind.ALERT, 2))
    assert made.subject == "Cifra: alerts: 2, words against sure answers: 1"
    assert made.body == (
        "Alerts: 2\n"
        "- 2026-05-01 12:00 UTC: alert 0.\n"
        "- 2026-05-01 12:01 UTC: alert 1.\n"
        "\n"
        "Words against sure answers: 1\n"
        "- 2026-05-01 12:00 UTC: feedback 0.\n"
        "\n"
        'You asked Cifra for this mail. PATCH /me with {"notifications": []} ends it.\n'
    )


def test_of_many_the_newest_are_told_and_the_others_counted() -> None:
    made = build_digest(
        notices(NotificationKind.FEEDBACK, MAX_LINES_PER_KIND + 3)
        + notices(NotificationKind.RETRAIN, 1)
    )
    assert f"words against sure answers: {MAX_LINES_PER_KIND + 3}" in made.subject
    assert "- 3 more before\n- 2026-05-01 12:03 UTC: feedback 3.\n" in made.body
    assert "feedback 2." not in made.body
    assert "retrain 0." in made.body


def test_a_line_has_no_breaks_whatever_they_are_made_of() -> None:
    assert single_line("a\r\nb\tc\x0bd\x1be\u2028f\x85g\0h  i ") == "a b c d e f g h i"

"""The content and order of a digest."""

from datetime import UTC, datetime, timedelta

from app.domain.notifications import (
    MAX_LINES_PER_KIND,
    Notification,
    NotificationKind,
    build_digest,
    single_line,
)

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def make_notifications(kind: NotificationKind, count: int) -> list[Notification]:
    return [
        Notification(number, kind, f"{kind} {number}.", NOON + timedelta(minutes=number))
        for number in range(count)
    ]


def test_a_digest_is_grouped_by_kind_with_times() -> None:
    digest = build_digest(
        make_notifications(NotificationKind.FEEDBACK, 1)
        + make_notifications(NotificationKind.ALERT, 2)
    )
    assert digest.subject == "Cifra: alerts: 2, feedback against confident predictions: 1"
    assert digest.body == (
        "Alerts: 2\n"
        "- 2026-05-01 12:00 UTC: alert 0.\n"
        "- 2026-05-01 12:01 UTC: alert 1.\n"
        "\n"
        "Feedback against confident predictions: 1\n"
        "- 2026-05-01 12:00 UTC: feedback 0.\n"
        "\n"
        "You receive this email because you enabled notifications in Cifra."
        ' To unsubscribe, PATCH /me with {"notifications": []}.\n'
    )


def test_of_many_the_newest_are_listed_and_the_others_counted() -> None:
    digest = build_digest(
        make_notifications(NotificationKind.FEEDBACK, MAX_LINES_PER_KIND + 3)
        + make_notifications(NotificationKind.RETRAIN, 1)
    )
    assert f"feedback against confident predictions: {MAX_LINES_PER_KIND + 3}" in digest.subject
    assert "- 3 earlier\n- 2026-05-01 12:03 UTC: feedback 3.\n" in digest.body
    assert "feedback 2." not in digest.body
    assert "retrain 0." in digest.body


def test_a_line_has_no_line_breaks_of_any_kind() -> None:
    assert single_line("a\r\nb\tc\x0bd\x1be\u2028f\x85g\0h  i ") == "a b c d e f g h i"

"""Kinds of notifications, and the digest that an admin is mailed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MAX_LINES_PER_KIND = 20  # in one digest

_FOOTER = (
    "You receive this email because you enabled notifications in Cifra."
    ' To unsubscribe, PATCH /me with {"notifications": []}.\n'
)


class NotificationKind(StrEnum):
    """What admins can be notified of, in the order of a digest."""

    ALERT = "alert"
    VERDICT = "verdict"
    RETRAIN = "retrain"
    FEEDBACK = "feedback"


_HEADINGS = {
    NotificationKind.ALERT: "Alerts",
    NotificationKind.VERDICT: "Verdicts",
    NotificationKind.RETRAIN: "Retrains",
    NotificationKind.FEEDBACK: "Feedback against confident predictions",
}


@dataclass(frozen=True)
class Notification:
    """A message for one admin."""

    id: int
    kind: NotificationKind
    message: str
    created_at: datetime


@dataclass(frozen=True)
class Digest:
    """A plain-text email; its subject contains no user-supplied text."""

    subject: str
    body: str


def build_digest(notifications: Sequence[Notification]) -> Digest:
    """Return one email for these notifications, the oldest first in each kind."""
    sections = []
    for kind, title in _HEADINGS.items():
        of_kind = [notification for notification in notifications if notification.kind is kind]
        if of_kind:
            sections.append((f"{title}: {len(of_kind)}", of_kind))
    return Digest(
        subject=f"Cifra: {', '.join(heading.lower() for heading, _ in sections)}",
        body="\n".join([*(_section(heading, of_kind) for heading, of_kind in sections), _FOOTER]),
    )


def single_line(text: str) -> str:
    """Return the text on one line, without characters that do not print."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _section(heading: str, notifications: Sequence[Notification]) -> str:
    lines = [
        f"- {notification.created_at:%Y-%m-%d %H:%M} UTC: {notification.message}"
        for notification in notifications[-MAX_LINES_PER_KIND:]
    ]
    earlier = len(notifications) - len(lines)
    return "\n".join([heading, *([f"- {earlier} earlier"] if earlier else []), *lines, ""])

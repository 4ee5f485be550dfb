"""What admins may be mailed about, and the digest that tells it; nothing of how mail travels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MAX_LINES_PER_KIND = 20  # of a kind in one digest

_FOOTER = 'You asked Cifra for this mail. PATCH /me with {"notifications": []} ends it.\n'


class NotificationKind(StrEnum):
    """What admins may ask to be mailed about, in the order of a digest."""

    ALERT = "alert"
    VERDICT = "verdict"
    RETRAIN = "retrain"
    FEEDBACK = "feedback"


_HEADINGS = {
    NotificationKind.ALERT: "Alerts",
    NotificationKind.VERDICT: "Verdicts",
    NotificationKind.RETRAIN: "Retrains",
    NotificationKind.FEEDBACK: "Words against sure answers",
}


@dataclass(frozen=True)
class Notification:
    """Something that one admin is to be told."""

    id: int
    kind: NotificationKind
    message: str
    created_at: datetime


@dataclass(frozen=True)
class Digest:
    """A mail in plain text; its subject holds nothing but our own words and numbers."""

    subject: str
    body: str


def build_digest(notices: Sequence[Notification]) -> Digest:
    """One mail of all these: by kind, the newest of each, and how many more there were."""
    parts = [
        (heading, [notice for notice in notices if notice.kind is kind])
        for kind, heading in _HEADINGS.items()
    ]
    counted = [(f"{heading}: {len(told)}", told) for heading, told in parts if told]
    return Digest(
        subject=f"Cifra: {', '.join(heading.lower() for heading, _ in counted)}",
        body="\n".join([*(_section(heading, told) for heading, told in counted), _FOOTER]),
    )


def single_line(text: str) -> str:
    """A text without line breaks and other characters that do not print."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _section(heading: str, told: Sequence[Notification]) -> str:
    lines = [
        f"- {notice.created_at:%Y-%m-%d %H:%M} UTC: {notice.message}"
        for notice in told[-MAX_LINES_PER_KIND:]
    ]
    more = len(told) - len(lines)
    return "\n".join([heading, *([f"- {more} more before"] if more else []), *lines, ""])

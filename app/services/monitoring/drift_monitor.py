"""Detect drift: compare the latest predictions with those after the last deployment.

A drift raises an alert; nothing is deployed.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np

from app.domain.assignment import Version
from app.domain.drift import PredictionWindow, compare
from app.store.engine.db import AdvisoryLock, acquire, read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import alerts, models, predictions
from app.store.queries.predictions import VersionOutput

MONITORED = Version.V2  # answering or as shadow, it predicts all images sent to A/B and to v2
REFERENCE, RECENT, MIN_NEW = 1_000, 200, 50
CHECK_EVERY_S = 5.0
ALERT_INTERVAL = timedelta(days=1)

KIND = "drift"
_MESSAGES = {
    "digits": "Prediction (class) drift",
    "confidence": "Confidence distribution shift",
    "disagreement": "Disagreement-rate drift",
}


class DriftMonitor:
    """Tests the latest predictions against the reference after every MIN_NEW new ones."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng()
        self._checked_at_s = 0.0
        self._since: datetime | None = None
        self._reference: list[VersionOutput] = []
        self._tested: UUID | None = None

    def check(self) -> None:
        """Raise an alert if the latest predictions have drifted; tests every few seconds."""
        if time.monotonic() - self._checked_at_s < CHECK_EVERY_S:
            return
        self._checked_at_s = time.monotonic()
        recent = self._recent_outputs()
        if recent is None or self._since is None:
            return
        self._tested = recent[-1].id
        found = compare(_window(self._reference), _window(recent), self._rng)
        if found.is_alarm:
            _raise_alert(f"{_MESSAGES[found.feature]} (p = {found.p_value:.1g})", self._since)

    def _recent_outputs(self) -> Sequence[VersionOutput] | None:
        """Return the latest outputs; None while there are too few, or too few new ones."""
        with read_transaction() as session:
            since = models.last_deployed_at(session)
            if since is None:
                return None
            if since != self._since:
                self._since, self._reference = since, []
            if len(self._reference) < REFERENCE:
                self._reference = predictions.list_outputs(session, MONITORED, since, REFERENCE)
            recent = predictions.list_outputs(session, MONITORED, since, RECENT, last=True)
        if len(self._reference) < REFERENCE or recent[0].id <= self._reference[-1].id:
            return None
        new = sum(self._tested is None or output.id > self._tested for output in recent)
        return recent if new >= MIN_NEW else None


@retried
def _raise_alert(message: str, since: datetime) -> None:
    with write_transaction() as session:
        acquire(session, AdvisoryLock.ALERTS)
        if not alerts.exists_since(session, KIND, max(since, datetime.now(UTC) - ALERT_INTERVAL)):
            alerts.add(session, KIND, message)


def _window(outputs: Sequence[VersionOutput]) -> PredictionWindow:
    return PredictionWindow(
        np.array([output.digit for output in outputs]),
        np.array([output.confidence for output in outputs], dtype=np.float32),
        np.array(
            [np.nan if output.disagrees is None else output.disagrees for output in outputs],
            dtype=np.float32,
        ),
    )

"""What is looked after every second: other models in service, how new ones do, and drift."""

import threading

from app.services import guarding
from app.services.drifting import DriftWatch
from app.services.inference import InferenceService
from app.services.limitswatch import LimitsWatch


def look(
    inference: InferenceService, drift: DriftWatch, limits: LimitsWatch, _ending: threading.Event
) -> None:
    """Serve what was deployed, take back what proved worse than its predecessor, mind the world."""
    inference.follow()
    guarding.watch()
    drift.look()
    limits.look()

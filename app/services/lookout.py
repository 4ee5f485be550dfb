"""What is looked after every second: other models in service, how new ones do, drift, age."""

import threading
from collections.abc import Callable, Sequence

Look = Callable[[], None]


def look(at: Sequence[Look], ending: threading.Event) -> None:
    """Look at one thing after the other, until the process ends."""
    for each in at:
        if ending.is_set():
            return
        each()

"""What is looked after every second: other models in service, how new ones do, drift, age."""

import threading
from collections.abc import Callable, Sequence

Task = Callable[[], None]


def run_all(at: Sequence[Task], stop_event: threading.Event) -> None:
    """Look at one thing after the other, until the process ends.

    One that fails keeps none from its turn; the first error is raised when all had theirs.
    """
    errors = []
    for each in at:
        if stop_event.is_set():
            return
        try:
            each()
        except Exception as error:  # noqa: BLE001  not swallowed: raised below
            errors.append(error)
    if errors:
        raise errors[0]

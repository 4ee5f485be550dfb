"""Run the tasks due every second, such as reloading models or checking for drift."""

import threading
from collections.abc import Callable, Sequence

Task = Callable[[], None]


def run_all(tasks: Sequence[Task], stop_event: threading.Event) -> None:
    """Run the tasks one after the other, until the process stops.

    A task that fails does not prevent the others; the first error is raised after all have run.
    """
    errors = []
    for task in tasks:
        if stop_event.is_set():
            return
        try:
            task()
        except Exception as error:  # noqa: BLE001  not swallowed: raised below
            errors.append(error)
    if errors:
        raise errors[0]

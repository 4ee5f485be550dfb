"""The time between the order to stop and the end, in which load balancers look elsewhere."""

import mmap


class Drain:
    """Whether a server that was told to stop waits for load balancers to notice.

    The processes that it forks afterwards share the answer.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def begin(self) -> None:
        """Have /readyz answer 503 from now on."""
        self._shared[0] = 1

    def has_begun(self) -> bool:
        """Return whether the server is about to stop."""
        return self._shared[0] == 1

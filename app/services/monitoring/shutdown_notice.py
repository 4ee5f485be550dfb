"""Whether this server is about to stop, which load balancers read from /readyz."""

from collections.abc import Callable

from app.domain.errors import Unavailable


class ShutdownNotice:
    """Asks the server around the application; without one, nothing is about to stop."""

    def __init__(self) -> None:
        self.is_stopping: Callable[[], bool] = lambda: False

    def check(self) -> None:
        """Raise Unavailable if the server is about to stop. Until then it answers everything."""
        if self.is_stopping():
            raise Unavailable("This server is about to stop; send requests to another one")

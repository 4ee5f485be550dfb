"""Every error that the client raises.

CifraError
├── Unreachable             no answer came: no connection, a broken one, or too late
├── UnexpectedResponse        an answer that is not one of Cifra's
├── NotLoggedIn             a call that needs a login, before `login`
├── TimedOut                what was waited for did not come in time
└── ApiError                 Cifra said no; has status, title, detail and request_id
    ├── InvalidInput        400, what was sent makes no sense; a weak password too
    ├── NotAuthenticated    401, a wrong password, or a login that has ended
    ├── NotAllowed          403, your role may not, or the account is locked
    ├── NotFound            404, no such thing, or not yours
    ├── Conflict            409, it is so already, or something stands in the way
    ├── Unprocessable       422, words that contradict each other; nothing to learn from
    ├── ImageRejected      413, 415 or 422, no one digit can be read from the image
    ├── RateLimited         429, has retry_after_s
    └── ServerError        5xx, has retry_after_s
"""

from typing import Self

IMAGE_ERROR_TITLES = {"Unreadable image", "Image too large", "No digit", "Several digits"}


class CifraError(Exception):
    """The root of every error that this client raises."""


class Unreachable(CifraError):
    """No answer came; for anything but a GET nobody knows whether the call was carried out."""


class UnexpectedResponse(CifraError):
    """Something answered that does not speak as Cifra does; the address may be wrong."""


class NotLoggedIn(CifraError):
    """The call needs a login; call `login` first."""

    def __init__(self) -> None:
        super().__init__("call login() first")


class TimedOut(CifraError):
    """What was waited for did not come in time."""


class ApiError(CifraError):
    """Cifra answered with an error.

    `request_id` finds the request in the server's log; `retry_after_s` is when to come back, where
    the server says so.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        where = f" (request {request_id})" if request_id else ""
        super().__init__(f"{status} {title}: {detail}{where}")
        self.status = status
        self.title = title
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    @classmethod
    def of(
        cls,
        status: int,
        title: str,
        detail: str,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> "ApiError":
        """The error of this status and title, in its own class."""
        made = _class_of(status, title)
        return made(status, title, detail, request_id, retry_after_s)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        said = (self.status, self.title, self.detail, self.request_id, self.retry_after_s)
        return type(self), said


class InvalidInput(ApiError):
    """What was sent makes no sense."""


class NotAuthenticated(ApiError):
    """A wrong password, or a login that has ended."""


class NotAllowed(ApiError):
    """The account's role may not do this, or the account is locked."""


class NotFound(ApiError):
    """There is no such thing, or it is not yours."""


class Conflict(ApiError):
    """It is so already, or something stands in the way."""


class Unprocessable(ApiError):
    """Words that contradict each other, or too little to work with."""


class ImageRejected(ApiError):
    """No one digit can be read from the image; `title` says why."""


class RateLimited(ApiError):
    """Too many calls; come back after `retry_after_s`."""


class ServerError(ApiError):
    """The server could not, now or at all."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidInput,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    422: Unprocessable,
    429: RateLimited,
}


def _class_of(status: int, title: str) -> type[ApiError]:
    if title in IMAGE_ERROR_TITLES:
        return ImageRejected
    return ServerError if status >= 500 else _BY_STATUS.get(status, ApiError)

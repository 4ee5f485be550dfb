"""Every error that the client raises.

CifraError
├── Unreachable             no response: no connection, a broken one, or a timeout
├── UnexpectedResponse      a response that is not one of Cifra's
├── NotLoggedIn             a call that needs a login, before `login`
├── TimedOut                what was waited for did not happen in time
└── ApiError                an error response; has status, title, detail and request_id
    ├── InvalidInput        400, the request is invalid; also a weak password
    ├── NotAuthenticated    401, a wrong password, or a login that has ended
    ├── NotAllowed          403, your role may not, or the account is locked
    ├── NotFound            404, it does not exist, or is not yours
    ├── Conflict            409, it exists already, or the state does not allow it
    ├── Unprocessable       422, contradictory feedback; too little to train on
    ├── ImageRejected       413, 415 or 422, no single digit can be found in the image
    ├── RateLimited         429, has retry_after_s
    └── ServerError         5xx, has retry_after_s
"""

from typing import Self

IMAGE_ERROR_TITLES = {"Unreadable image", "Image too large", "No digit", "Several digits"}


class CifraError(Exception):
    """The root of every error that this client raises."""


class Unreachable(CifraError):
    """No response; for anything but a GET it is unknown whether the call was carried out."""


class UnexpectedResponse(CifraError):
    """The response is not one of Cifra's; the address may be wrong."""


class NotLoggedIn(CifraError):
    """The call needs a login; call `login` first."""

    def __init__(self) -> None:
        super().__init__("call login() first")


class TimedOut(CifraError):
    """What was waited for did not happen in time."""


class ApiError(CifraError):
    """Cifra answered with an error.

    `request_id` finds the request in the server's log; `retry_after_s` is when to retry, if the
    server says so.
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
        """Return the error of this status and title, in its own class."""
        error_class = _class_of(status, title)
        return error_class(status, title, detail, request_id, retry_after_s)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        arguments = (self.status, self.title, self.detail, self.request_id, self.retry_after_s)
        return type(self), arguments


class InvalidInput(ApiError):
    """The request is invalid."""


class NotAuthenticated(ApiError):
    """The password is wrong, or the login has ended."""


class NotAllowed(ApiError):
    """The account's role may not do this, or the account is locked."""


class NotFound(ApiError):
    """It does not exist, or is not yours."""


class Conflict(ApiError):
    """It exists already, or the current state does not allow it."""


class Unprocessable(ApiError):
    """The feedback is contradictory, or there is too little to train on."""


class ImageRejected(ApiError):
    """No single digit can be found in the image; `title` says why."""


class RateLimited(ApiError):
    """There were too many calls; retry after `retry_after_s`."""


class ServerError(ApiError):
    """The server failed, temporarily or not."""


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

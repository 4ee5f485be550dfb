"""The refresh token of a page: in a cookie that scripts cannot read, sent to /refresh only."""

from flask import Response, current_app, request

from app.domain.errors import NotAllowed

REQUEST_HEADER = "X-Cifra-Refresh-Cookie"  # a header that a form of another site cannot send
NAME = "cifra_refresh"
PATH = "/refresh"


def is_requested() -> bool:
    """Return whether this login requests its refresh token in a cookie."""
    return request.headers.get(REQUEST_HEADER) == "1"


def is_present() -> bool:
    """Return whether the refresh token was sent as a cookie, and none in the header.

    Raises NotAllowed if a page of another origin sent it.
    """
    if "Authorization" in request.headers or NAME not in request.cookies:
        return False
    if not is_own_origin(request.headers.get("Origin"), request.scheme, request.host):
        raise NotAllowed("The cookie is accepted from pages of this origin only")
    return True


def is_own_origin(origin: str | None, scheme: str, host: str) -> bool:
    """Return whether an Origin header names the host that a request was sent to.

    A page over HTTPS may call a server that sees HTTP, behind a proxy, but not the reverse.
    """
    return origin in {f"{scheme}://{host}", f"https://{host}"}


def set_cookie(response: Response, refresh_token: str) -> Response:
    """Put a refresh token into the cookie."""
    lifetime = current_app.config["JWT_REFRESH_TOKEN_EXPIRES"]
    response.set_cookie(
        NAME,
        refresh_token,
        max_age=lifetime,
        path=PATH,
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
    )
    return response


def clear_cookie(response: Response) -> Response:
    """Make the browser delete the cookie."""
    response.delete_cookie(
        NAME, path=PATH, secure=request.is_secure, httponly=True, samesite="Strict"
    )
    return response

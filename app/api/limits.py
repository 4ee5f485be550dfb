"""Rate limits: who is counted as one client, and the limits that routes name."""

from flask import request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from app.api.identity import caller_if_known
from app.api.parts import parts


def client_key() -> str:
    """A good token is counted by its user, everything else (bad tokens too) by its address."""
    known = caller_if_known()
    return f"address:{get_remote_address()}" if known is None else f"user:{known.user_id}"


limiter = Limiter(key_func=client_key, headers_enabled=True)


@limiter.request_filter
def is_preflight() -> bool:
    """A browser's question whether it may ask costs nothing; it carries no token."""
    return request.method == "OPTIONS"


def v1_limit() -> str:
    """What one client may ask of v1."""
    return parts().config.ratelimit_v1


def v2_limit() -> str:
    """What one client may ask of v2."""
    return parts().config.ratelimit_v2


def batch_limit() -> str:
    """How many pictures one client may send in batches."""
    return parts().config.ratelimit_batch


def login_limit() -> str:
    """How often passwords and refresh tokens may be tried."""
    return parts().config.ratelimit_login


def review_limit() -> str:
    """How often reviewers may ask for pictures and label them."""
    return parts().config.ratelimit_review


def read_limit() -> str:
    """How often pages may read what they show."""
    return parts().config.ratelimit_read

"""Your own account."""

from flask import Blueprint

from app.api.http.authentication import ALL_ROLES, current_user, require_roles
from app.api.http.contract import error_responses, request_body, responds
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.accounts import Account, ProfileUpdate
from app.api.schemas.errors import Message
from app.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from app.services.accounts import profile, users

blueprint = Blueprint("me", __name__, url_prefix="/me")


@blueprint.get("")
@limiter.limit(read_limit)
@require_roles(*ALL_ROLES)
@responds(Account)
@error_responses(NotFound)
def get_account() -> serializers.Json:
    """Get your account."""
    return serializers.account(profile.get(current_user().user_id))


@blueprint.patch("")
@require_roles(*ALL_ROLES)
@request_body(ProfileUpdate)
@responds(Account)
@error_responses(NotAllowed, NotFound)
def update_account() -> serializers.Json:
    """Update your email address and notifications."""
    body = json_body(ProfileUpdate)
    if body.email is None and body.notifications is None:
        raise InvalidInput("email or notifications required")
    return serializers.account(
        profile.update(current_user().user_id, email=body.email, notifications=body.notifications)
    )


@blueprint.delete("")
@require_roles(*ALL_ROLES)
@responds(Message)
@error_responses(Conflict)
def delete_account() -> serializers.Json:
    """Delete your account with all its predictions and feedback."""
    users.delete(current_user().user_id)
    return {"msg": "Account, predictions and feedback erased"}

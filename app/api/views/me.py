"""One's own account over HTTP."""

from typing import Annotated, Literal

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from app.api.http.authentication import ALL_ROLES, current_user, require_roles
from app.api.http.contract import error_responses, request_body, require_fields, responds
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.accounts import Account
from app.api.schemas.errors import Message
from app.api.schemas.request_fields import EmailText
from app.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from app.domain.notifications import NotificationKind
from app.services.accounts import profile, users

blueprint = Blueprint("me", __name__, url_prefix="/me")


class ProfileUpdate(BaseModel):
    """What is to change; an empty address removes it."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [require_fields(email={}), require_fields(notifications={})]}
    )

    email: Annotated[EmailText | Literal[""] | None, Field(description="text")] = None
    notifications: Annotated[
        list[NotificationKind] | None, Field(description=f"a list of {', '.join(NotificationKind)}")
    ] = None


@blueprint.get("")
@limiter.limit(read_limit)
@require_roles(*ALL_ROLES)
@responds(Account)
@error_responses(NotFound)
def get_account() -> serializers.Json:
    """One's own account."""
    return serializers.account(profile.get(current_user().user_id))


@blueprint.patch("")
@require_roles(*ALL_ROLES)
@request_body(ProfileUpdate)
@responds(Account)
@error_responses(NotAllowed, NotFound)
def update_account() -> serializers.Json:
    """Change one's address, and what one is mailed about."""
    change = json_body(ProfileUpdate)
    if change.email is None and change.notifications is None:
        raise InvalidInput("email or notifications required")
    return serializers.account(
        profile.update(
            current_user().user_id, email=change.email, notifications=change.notifications
        )
    )


@blueprint.delete("")
@require_roles(*ALL_ROLES)
@responds(Message)
@error_responses(Conflict)
def delete_account() -> serializers.Json:
    """Erase one's own account with everything that is kept of it."""
    users.delete(current_user().user_id)
    return {"msg": "Account, predictions and feedback erased"}

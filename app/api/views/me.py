"""One's own account over HTTP."""

from typing import Annotated, Literal

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from app.api.http.authentication import EVERYBODY, caller, requires
from app.api.http.contract import answers, given, raises, takes
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.accounts import Account
from app.api.schemas.errors import Message
from app.api.schemas.request_fields import EmailText
from app.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from app.domain.notifications import Kind
from app.services.accounts import profile, users

blueprint = Blueprint("me", __name__, url_prefix="/me")


class Change(BaseModel):
    """What is to change; an empty address removes it."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [given(email={}), given(notifications={})]}
    )

    email: Annotated[EmailText | Literal[""] | None, Field(description="text")] = None
    notifications: Annotated[
        list[Kind] | None, Field(description=f"a list of {', '.join(Kind)}")
    ] = None


@blueprint.get("")
@limiter.limit(read_limit)
@requires(*EVERYBODY)
@answers(Account)
@raises(NotFound)
def find() -> serializers.Json:
    """One's own account."""
    return serializers.account(profile.find(caller().user_id))


@blueprint.patch("")
@requires(*EVERYBODY)
@takes(Change)
@answers(Account)
@raises(NotAllowed, NotFound)
def amend() -> serializers.Json:
    """Change one's address, and what one is mailed about."""
    change = json_body(Change)
    if change.email is None and change.notifications is None:
        raise InvalidInput("email or notifications required")
    return serializers.account(
        profile.amend(caller().user_id, email=change.email, notifications=change.notifications)
    )


@blueprint.delete("")
@requires(*EVERYBODY)
@answers(Message)
@raises(Conflict)
def remove() -> serializers.Json:
    """Erase one's own account with everything that is kept of it."""
    users.remove(caller().user_id)
    return {"msg": "Account, predictions and feedback erased"}

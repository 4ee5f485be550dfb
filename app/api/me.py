"""One's own account over HTTP."""

from typing import Annotated, Literal

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from app.api import shown
from app.api.bodies import json_body
from app.api.contract import answers, given, raises, takes
from app.api.fields import EmailText
from app.api.identity import EVERYBODY, caller, requires
from app.api.limits import limiter, read_limit
from app.api.schemas.messages import Message
from app.api.schemas.people import Account
from app.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from app.domain.notices import Kind
from app.services import accounts, profile

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
def find() -> shown.Json:
    """One's own account."""
    return shown.account(profile.find(caller().user_id))


@blueprint.patch("")
@requires(*EVERYBODY)
@takes(Change)
@answers(Account)
@raises(NotAllowed, NotFound)
def amend() -> shown.Json:
    """Change one's address, and what one is mailed about."""
    change = json_body(Change)
    if change.email is None and change.notifications is None:
        raise InvalidInput("email or notifications required")
    return shown.account(
        profile.amend(caller().user_id, email=change.email, notifications=change.notifications)
    )


@blueprint.delete("")
@requires(*EVERYBODY)
@answers(Message)
@raises(Conflict)
def remove() -> shown.Json:
    """Erase one's own account with everything that is kept of it."""
    accounts.remove(caller().user_id)
    return {"msg": "Account, predictions and feedback erased"}

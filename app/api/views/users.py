"""Who may what, over HTTP."""

from typing import Annotated

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from app.api.http.authentication import requires
from app.api.http.contract import answers, given, raises, takes, takes_query
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body, query
from app.api.schemas import serializers
from app.api.schemas.accounts import Account, AccountPage, Reviewers
from app.api.schemas.request_fields import FLAG, Flag
from app.domain.errors import Conflict, InvalidInput
from app.domain.roles import Role
from app.services.accounts import users
from app.services.reviews import attention_checks

blueprint = Blueprint("users", __name__, url_prefix="/admin/users")


class Page(BaseModel):
    """Which accounts are wanted."""

    limit: Annotated[int, Field(ge=1, le=500, description="a whole number from 1 to 500")] = 100
    after: Annotated[int, Field(ge=0, le=2**31 - 1, description="the id of an account")] = 0


class Amendment(BaseModel):
    """What is to change."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [given(role={}), given(locked={})]})

    role: Annotated[Role | None, Field(description="user, reviewer or admin")] = None
    locked: Annotated[Flag | None, FLAG] = None


@blueprint.get("")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@takes_query(Page)
@answers(AccountPage)
def page() -> serializers.Json:
    """Accounts in the order of their ids."""
    wanted = query(Page)
    found = users.page(wanted.after, wanted.limit)
    more = len(found) == wanted.limit
    return {
        "users": [serializers.account(account) for account in found],
        "next_after": found[-1].id if more else None,
    }


@blueprint.get("/reviewers")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(Reviewers)
def reviewers() -> serializers.Json:
    """How reviewers read pictures with known digits."""
    return {
        "reviewers": [serializers.reliability(each) for each in attention_checks.reliabilities()]
    }


@blueprint.patch("/<int(max=2147483647):user_id>")
@requires(Role.ADMIN)
@takes(Amendment)
@answers(Account)
@raises(Conflict)
def amend(user_id: int) -> serializers.Json:
    """Change an account's role, lock it or unlock it."""
    change = json_body(Amendment)
    if change.role is None and change.locked is None:
        raise InvalidInput("role or locked required")
    return serializers.account(users.amend(user_id, role=change.role, locked=change.locked))

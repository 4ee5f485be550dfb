"""Who may what, over HTTP."""

from typing import Annotated

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from app.api.http.authentication import require_roles
from app.api.http.contract import (
    error_responses,
    request_body,
    request_query,
    require_fields,
    responds,
)
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body, query_args
from app.api.schemas import serializers
from app.api.schemas.accounts import Account, AccountPage, ReviewerList
from app.api.schemas.request_fields import FLAG_FIELD, Flag
from app.domain.errors import Conflict, InvalidInput
from app.domain.roles import Role
from app.services.accounts import users
from app.services.reviews import attention_checks

blueprint = Blueprint("users", __name__, url_prefix="/admin/users")


class UserQuery(BaseModel):
    """Which accounts are wanted."""

    limit: Annotated[int, Field(ge=1, le=500, description="a whole number from 1 to 500")] = 100
    after: Annotated[int, Field(ge=0, le=2**31 - 1, description="the id of an account")] = 0


class UserUpdate(BaseModel):
    """What is to change."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [require_fields(role={}), require_fields(locked={})]}
    )

    role: Annotated[Role | None, Field(description="user, reviewer or admin")] = None
    locked: Annotated[Flag | None, FLAG_FIELD] = None


@blueprint.get("")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@request_query(UserQuery)
@responds(AccountPage)
def list_users() -> serializers.Json:
    """Accounts in the order of their ids."""
    wanted = query_args(UserQuery)
    found = users.list_page(wanted.after, wanted.limit)
    more = len(found) == wanted.limit
    return {
        "users": [serializers.account(account) for account in found],
        "next_after": found[-1].id if more else None,
    }


@blueprint.get("/reviewers")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@responds(ReviewerList)
def list_reviewers() -> serializers.Json:
    """How reviewers read pictures with known digits."""
    return {
        "reviewers": [
            serializers.reliability(each) for each in attention_checks.list_reliabilities()
        ]
    }


@blueprint.patch("/<int(max=2147483647):user_id>")
@require_roles(Role.ADMIN)
@request_body(UserUpdate)
@responds(Account)
@error_responses(Conflict)
def update_user(user_id: int) -> serializers.Json:
    """Change an account's role, lock it or unlock it."""
    change = json_body(UserUpdate)
    if change.role is None and change.locked is None:
        raise InvalidInput("role or locked required")
    return serializers.account(users.update(user_id, role=change.role, locked=change.locked))

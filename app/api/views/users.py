"""User accounts, their roles, and reviewers' reliability."""

from flask import Blueprint

from app.api.http.authentication import require_roles
from app.api.http.contract import (
    error_responses,
    request_body,
    request_query,
    responds,
)
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body, query_args
from app.api.schemas import serializers
from app.api.schemas.accounts import Account, AccountPage, UserQuery, UserUpdate
from app.api.schemas.reviews import ReviewerList
from app.domain.errors import Conflict, InvalidInput
from app.domain.roles import Role
from app.services.accounts import users
from app.services.reviews import attention_checks

blueprint = Blueprint("users", __name__, url_prefix="/admin/users")


@blueprint.get("")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@request_query(UserQuery)
@responds(AccountPage)
def list_users() -> serializers.Json:
    """List accounts, ordered by id."""
    query = query_args(UserQuery)
    page = users.list_page(query.after, query.limit)
    is_full = len(page) == query.limit
    return {
        "users": [serializers.account(account) for account in page],
        "next_after": page[-1].id if is_full else None,
    }


@blueprint.get("/reviewers")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@responds(ReviewerList)
def list_reviewers() -> serializers.Json:
    """List reviewers with their results on attention checks."""
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
    """Update an account: change its role, lock or unlock it."""
    body = json_body(UserUpdate)
    if body.role is None and body.locked is None:
        raise InvalidInput("role or locked required")
    return serializers.account(users.update(user_id, role=body.role, locked=body.locked))

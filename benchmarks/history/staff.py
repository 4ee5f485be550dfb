"""Clients of reviewers, who label images, and of an admin, who deploys models.

They keep pace with the users' predictions, so that their requests are spread over the whole run.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import requests

from app.domain.review_labels import NOT_A_DIGIT, SKIPPED
from benchmarks.history.connection import Connection
from benchmarks.history.pace import Pace
from benchmarks.history.plan import PER_ADMIN_STEP, PER_REVIEW_STEP, Step
from benchmarks.history.trace import OK, Operation
from benchmarks.history.users import Login, log_in

MAX_LISTED = 100


class ReviewerClient:
    """A reviewer: asks for an image, labels it, and sometimes undoes that."""

    def __init__(self, connection: Connection, login: Login, pace: Pace) -> None:
        self._connection, self._login, self._pace = connection, login, pace

    def run(self, steps: Iterable[Step]) -> None:
        """Review in step with the predictions, until those end."""
        for number, step in enumerate(steps, 1):
            if not self._pace.wait_for(number * PER_REVIEW_STEP):
                return
            self._review(step)

    def _review(self, step: Step) -> None:
        item = self._send("next_item", ("GET", "/admin/review"), _parse_item)
        image = item.answer.get("id")
        if image is None:
            return
        label = (step.number % 13) % SKIPPED if step.pick > 0.1 else SKIPPED
        request, call = {"prediction_id": image, "label": label}, f"/admin/review/{image}"
        self._send("label", ("POST", call), request=request, json=_label_body(label))
        if step.flag:
            self._send("undo", ("DELETE", call), request={"prediction_id": image})

    def _send(self, kind: str, call: tuple[str, str], parse: Any = None, **more: Any) -> Operation:
        request = {"account": self._login.account, **more.pop("request", {})}
        return self._connection.send(kind, request, call, parse, self._login.token, **more)


class AdminClient:
    """An admin: deploys stored models, rolls back, and lists deployments and accounts."""

    def __init__(
        self,
        connection: Connection,
        login: Login,
        pace: Pace,
        models: Mapping[str, Sequence[tuple[int, str]]],
    ) -> None:
        """`models` are the ids and short hashes of the models of each version."""
        self._connection, self._login, self._pace = connection, login, pace
        self._models = models

    def run(self, steps: Iterable[Step]) -> None:
        """Administrate in step with the predictions, until those end."""
        for number, step in enumerate(steps, 1):
            if not self._pace.wait_for(number * PER_ADMIN_STEP):
                return
            getattr(self, f"_{step.kind}")(step)

    def _deploy(self, step: Step) -> None:
        version = "v1" if step.flag else "v2"
        models = self._models[version]
        model_id, model = models[step.number % len(models)]
        call = ("POST", f"/admin/models/{model_id}/deploy")
        request = {"version": version, "model": model}
        self._send("deploy", call, _parse_deployment, request=request, json={"version": version})

    def _rollback(self, step: Step) -> None:
        version = "v1" if step.flag else "v2"
        call = ("POST", f"/admin/versions/{version}/rollback")
        self._send("rollback", call, _parse_deployment, request={"version": version})

    def _list_deployments(self, _: Step) -> None:
        self._send("list_deployments", ("GET", "/admin/deployments"), _parse_deployments)

    def _list_accounts(self, _: Step) -> None:
        self._send("list_accounts", ("GET", f"/admin/users?limit={MAX_LISTED}"), _parse_accounts)

    def _send(self, kind: str, call: tuple[str, str], parse: Any, **more: Any) -> Operation:
        request = more.pop("request", {})
        return self._connection.send(kind, request, call, parse, self._login.token, **more)


def create_reviewer(connection: Connection, admin: Login, name: str) -> Login:
    """Register a reviewer, before any fault. Raises RuntimeError if that fails."""
    credentials = {"username": name, "password": f"password of {name}"}
    made = connection.send(
        "register",
        {"account": name},
        ("POST", "/register"),
        lambda response: {"id": response.json()["id"]},
        json=credentials,
    )
    call = ("PATCH", f"/admin/users/{made.answer.get('id')}")
    request = {"account": name, "role": "reviewer"}
    promoted = connection.send(
        "promote", request, call, token=admin.token, json={"role": "reviewer"}
    )
    login = log_in(connection, name)
    if promoted.outcome != OK or login is None:
        raise RuntimeError(f"cannot make {name} a reviewer: {promoted}")
    return login


def log_in_admin(connection: Connection, password: str) -> Login:
    """Log in as the first admin. Raises RuntimeError if that is rejected."""
    login = log_in(connection, "admin", password)
    if login is None:
        raise RuntimeError("the admin cannot log in")
    return login


def _label_body(label: int) -> dict[str, Any]:
    if label == SKIPPED:
        return {"skip": True}
    return {"not_a_digit": True} if label == NOT_A_DIGIT else {"digit": label}


def _parse_item(response: requests.Response) -> dict[str, Any]:
    item = response.json()["item"]
    return {} if item is None else {"id": item["prediction_id"]}


def _parse_deployment(response: requests.Response) -> dict[str, Any]:
    made = response.json()
    return {"id": made["id"], "model": made["model"]["hash"]}


def _parse_deployments(response: requests.Response) -> dict[str, Any]:
    return {"ids": [each["id"] for each in response.json()["deployments"]]}


def _parse_accounts(response: requests.Response) -> dict[str, Any]:
    page = response.json()
    return {
        "accounts": [each["username"] for each in page["users"]],
        "is_full": page["next_after"] is not None,
    }

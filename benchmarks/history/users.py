"""Clients of users: two for each account, whose requests meet on the same images.

When an account is deleted, its clients go on with a new one.
"""

import itertools
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import requests

from benchmarks.history.connection import Connection
from benchmarks.history.images import ImageFiles
from benchmarks.history.plan import Step
from benchmarks.history.trace import OK, UNKNOWN, Operation

PAGE = 20
MAX_WAIT_S = 5.0  # for the other client to register the next account


@dataclass
class Login:
    """An account that a client can use: its token, and its predictions with their digits."""

    account: str
    token: str
    predictions: list[tuple[str, int]] = field(default_factory=list)


class Account:
    """The account that some clients share, and those that they have deleted before it."""

    def __init__(self, name: str) -> None:
        self._name, self._numbers, self.lock = name, itertools.count(1), threading.Lock()
        self.login: Login | None = None
        self.deleted: list[str] = []

    def next_name(self) -> str:
        """Return a username that was never used."""
        return f"{self._name} {next(self._numbers)}"


def register(connection: Connection, account: Account) -> Login:
    """Register the next account and log in; a name without a response is given up."""
    while True:
        name = account.next_name()
        credentials = {"username": name, "password": f"password of {name}"}
        made = connection.send(
            "register", {"account": name}, ("POST", "/register"), json=credentials
        )
        if made.outcome != OK:
            continue
        login = log_in(connection, name)
        if login is not None:
            return login


def log_in(connection: Connection, name: str, password: str = "") -> Login | None:
    """Log in, trying again while there is no response; returns None if that is rejected."""
    credentials = {"username": name, "password": password or f"password of {name}"}
    tokens: list[str] = []

    def parse(response: requests.Response) -> dict[str, Any]:
        tokens.append(response.json()["access_token"])
        return {}

    while True:
        made = connection.send(
            "login", {"account": name}, ("POST", "/login"), parse, json=credentials
        )
        if made.outcome != UNKNOWN:
            return Login(name, tokens[0]) if tokens else None


class UserClient:
    """One client of an account."""

    def __init__(
        self, connection: Connection, name: str, account: Account, images: ImageFiles
    ) -> None:
        self._connection, self._name = connection, name
        self._account, self._images = account, images
        self._comments = itertools.count(1)

    def run(self, steps: Iterable[Step]) -> None:
        """Do all steps; at the end, list every prediction of the account."""
        for step in steps:
            getattr(self, f"_{step.kind}")(step, self._login())
        self._list_all(self._login())

    def _login(self) -> Login:
        with self._account.lock:
            if self._account.login is None:
                self._account.login = register(self._connection, self._account)
            return self._account.login

    def _send(
        self, kind: str, login: Login, call: tuple[str, str], parse: Any = None, **more: Any
    ) -> Operation:
        request = {"account": login.account, **more.pop("request", {})}
        made = self._connection.send(kind, request, call, parse, login.token, **more)
        if made.status == 401:
            self._wait_for_next(login)
        return made

    def _wait_for_next(self, login: Login) -> None:
        """Wait until the client that deletes the account has noticed that it did."""
        deadline = time.monotonic() + MAX_WAIT_S
        while self._account.login is login and time.monotonic() < deadline:
            time.sleep(0.02)

    def _predict(self, step: Step, login: Login) -> None:
        image, content_type = self._images.file(step.number)
        made = self._send(
            "predict",
            login,
            ("POST", f"/api/{step.route}/predict"),
            _parse_prediction,
            request={"route": step.route, "image": step.number},
            data=image,
            headers={"Content-Type": content_type},
        )
        if made.outcome == OK:
            login.predictions.append((made.answer["id"], made.answer["digit"]))

    def _picked(self, step: Step, login: Login) -> str | None:
        """Return one of the account's predictions, more often a new one; erased ones too."""
        made = login.predictions
        return made[-1 - int(step.pick**3 * len(made))][0] if made else None

    def _feedback(self, step: Step, login: Login) -> None:
        prediction_id = self._picked(step, login)
        if prediction_id is None:
            return
        comment = f"{self._name} {next(self._comments)}"
        content: dict[str, Any] = {"comment": comment, "prediction_id": prediction_id}
        content |= {"digit": step.digit} if step.flag else {"correct": step.digit < 7}
        if step.number % 2:
            content["replace"] = True
        call = ("POST", "/feedback")
        self._send("feedback", login, call, request=content, json=content)

    def _legacy_feedback(self, step: Step, login: Login) -> None:
        content = {"prediction": step.digit, "correct": step.flag}
        content["comment"] = f"{self._name} {next(self._comments)}"
        call = ("POST", "/feedback")
        self._send("legacy_feedback", login, call, request=content, json=content)

    def _get(self, step: Step, login: Login) -> None:
        self._send_by_id("get", login, self._picked(step, login), "GET", "", _parse_entry)

    def _image(self, step: Step, login: Login) -> None:
        self._send_by_id("image", login, self._picked(step, login), "GET", "/image")

    def _erase(self, step: Step, login: Login) -> None:
        self._send_by_id("erase", login, self._picked(step, login), "DELETE", "")

    def _send_by_id(
        self,
        kind: str,
        login: Login,
        prediction_id: str | None,
        method: str,
        path: str,
        parse: Any = None,
    ) -> None:
        if prediction_id is not None:
            call = (method, f"/predictions/{prediction_id}{path}")
            self._send(kind, login, call, parse, request={"prediction_id": prediction_id})

    def _list(self, step: Step, login: Login) -> None:
        before = self._picked(step, login) if step.flag else None
        self._list_page(login, before)

    def _list_page(self, login: Login, before: str | None) -> Operation:
        request = {"limit": PAGE} if before is None else {"limit": PAGE, "before": before}
        query = "&".join(f"{name}={content}" for name, content in request.items())
        call = ("GET", f"/predictions?{query}")
        return self._send("list", login, call, _parse_page, request=request)

    def _list_all(self, login: Login) -> None:
        before: str | None = None
        while True:
            page = self._list_page(login, before)
            if page.outcome == OK:
                entries = page.answer["entries"]
                if len(entries) < PAGE:
                    return
                before = entries[-1][0]
            elif page.outcome != UNKNOWN:
                return

    def _delete_account(self, _: Step, login: Login) -> None:
        made = self._send("delete_account", login, ("DELETE", "/me"))
        with self._account.lock:
            if self._account.login is login:
                self._account.login = None
            if made.outcome == OK:
                self._account.deleted.append(login.account)

    def _login_deleted(self, step: Step, _: Login) -> None:
        deleted = self._account.deleted
        if deleted:
            log_in(self._connection, deleted[step.number % len(deleted)])


def _parse_prediction(response: requests.Response) -> dict[str, Any]:
    made = response.json()
    return {"id": made["prediction_id"], **_output(made)}


def _parse_entry(response: requests.Response) -> dict[str, Any]:
    entry = response.json()
    return {**_output(entry), "comment": _comment(entry)}


def _parse_page(response: requests.Response) -> dict[str, Any]:
    entries = response.json()["predictions"]
    return {"entries": [[each["prediction_id"], _comment(each)] for each in entries]}


def _output(made: dict[str, Any]) -> dict[str, Any]:
    return {"version": made["version"], "model": made["model"]["hash"], "digit": made["prediccion"]}


def _comment(entry: dict[str, Any]) -> str | None:
    return None if entry["feedback"] is None else entry["feedback"]["comment"]

"""The demo's people, its reviewer and its admin, on one instance, and what they do there."""

import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np

from app.training.datasets import load_base_sets
from cifra_client import Cifra, Conflict
from examples.demo.people import REVIEWER, USERS, SimulatedUser, choose_user
from examples.demo.reviewer import KnownLabels, SimulatedReviewer


class Simulation:
    """Everybody, logged in; who is not there yet gets an account."""

    def __init__(self, url: str, data_dir: Path) -> None:
        self._rng = np.random.default_rng()
        self._digits = load_base_sets().training
        self._logins, self._url = ExitStack(), url
        self._password = _shared_password(data_dir / "people_password")
        self.admin = self._opened(Cifra(url))
        self.admin.login("admin", (data_dir / "admin_password").read_text().strip())
        self._people = {of.name: SimulatedUser(of, self._enter(of.name)) for of in USERS}
        self._eyes = KnownLabels(data_dir / "shown.jsonl")
        self._reviewer = SimulatedReviewer(self._enter(REVIEWER, is_reviewer=True), self._eyes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._logins.close()

    @property
    def sent(self) -> int:
        """How many answers were ever given here."""
        return sum(version.served for version in self.admin.report().versions.values())

    def send_one(self) -> bool:
        """Have somebody send a image, and perhaps speak up; whether it was answered."""
        sent, is_answered = choose_user(self._people, self._rng).send(self._digits, self._rng)
        self._eyes.remember(sent)
        return is_answered

    def label_one(self) -> bool:
        """Have the reviewer label a image; False where none waits."""
        return self._reviewer.label_next()

    def _enter(self, name: str, *, is_reviewer: bool = False) -> Cifra:
        client = self._opened(Cifra(self._url))
        try:
            account = client.register(name, self._password)
        except Conflict:
            pass
        else:
            if is_reviewer:
                self.admin.set_role(account.id, "reviewer")
        client.login(name, self._password)
        return client

    def _opened(self, client: Cifra) -> Cifra:
        return self._logins.enter_context(client)


def _shared_password(path: Path) -> str:
    """The password of all the demo's people, made the first time."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(12))
    return path.read_text()

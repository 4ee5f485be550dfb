"""The demo's users, reviewer and admin on one instance."""

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
    """All simulated users, logged in; missing accounts are created."""

    def __init__(self, url: str, data_dir: Path) -> None:
        self._rng = np.random.default_rng()
        self._digits = load_base_sets().training
        self._logins, self._url = ExitStack(), url
        self._password = _shared_password(data_dir / "people_password")
        self.admin = self._open(Cifra(url))
        self.admin.login("admin", (data_dir / "admin_password").read_text().strip())
        self._users = {of.name: SimulatedUser(of, self._log_in(of.name)) for of in USERS}
        self._known_labels = KnownLabels(data_dir / "shown.jsonl")
        self._reviewer = SimulatedReviewer(
            self._log_in(REVIEWER, is_reviewer=True), self._known_labels
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._logins.close()

    @property
    def sent(self) -> int:
        """Return the number of all predictions so far."""
        return sum(version.served for version in self.admin.report().versions.values())

    def send_one(self) -> bool:
        """Send an image as a random user, perhaps with feedback; return if it was predicted."""
        sent, is_predicted = choose_user(self._users, self._rng).send(self._digits, self._rng)
        self._known_labels.add(sent)
        return is_predicted

    def label_one(self) -> bool:
        """Label an image as the reviewer; return False if none is pending."""
        return self._reviewer.label_next()

    def _log_in(self, name: str, *, is_reviewer: bool = False) -> Cifra:
        client = self._open(Cifra(self._url))
        try:
            account = client.register(name, self._password)
        except Conflict:
            pass
        else:
            if is_reviewer:
                self.admin.set_role(account.id, "reviewer")
        client.login(name, self._password)
        return client

    def _open(self, client: Cifra) -> Cifra:
        return self._logins.enter_context(client)


def _shared_password(path: Path) -> str:
    """Return the password of all the demo's users, created the first time."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(12))
    return path.read_text()

"""What create_app wired together, as views reach it."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from app.api.http.request_metrics import Meters
from app.services.accounts.passwords import PasswordHasher
from app.services.accounts.sessions import KnownTokens
from app.services.accounts.signing_keys import SigningKeys
from app.services.background.periodic_worker import BackgroundThread
from app.services.experiments.lifecycle import Splits
from app.services.models.inference import InferenceService
from app.services.predictions.predictor import Reader
from app.services.retraining.training_process import Workshop
from app.store.engine.batch_writes import GroupWriter
from config import Config

_KEY = "cifra"


@dataclass(frozen=True)
class Parts:
    """The settings and the few things that live between requests."""

    config: Config
    meters: Meters
    keys: SigningKeys
    hasher: PasswordHasher
    inference: InferenceService
    reader: Reader
    groups: GroupWriter
    known_tokens: KnownTokens
    splits: Splits
    retrains: BackgroundThread
    workshop: Workshop
    lookout: BackgroundThread
    mail: BackgroundThread

    def wake_retrains(self) -> None:
        """Have what waits trained soon, where servers train."""
        if self.config.trains_here:
            self.retrains.wake()


def attach(app: Flask, parts: Parts) -> None:
    """Give an application its parts."""
    app.extensions[_KEY] = parts


def parts() -> Parts:
    """The parts of the application that handles this request."""
    return cast("Parts", current_app.extensions[_KEY])

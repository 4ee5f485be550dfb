"""What create_app wired together, as views reach it."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from app.api.http.request_metrics import RequestMetrics
from app.services.accounts.passwords import PasswordHasher
from app.services.accounts.sessions import TokenCache
from app.services.accounts.signing_keys import SigningKeys
from app.services.background.periodic_worker import PeriodicWorker
from app.services.experiments.lifecycle import SplitCache
from app.services.models.inference import InferenceService
from app.services.predictions.predictor import Predictor
from app.services.retraining.training_process import TrainingConfig
from app.store.engine.batch_writes import BatchWriter
from config import Config

_KEY = "cifra"


@dataclass(frozen=True)
class Container:
    """The settings and the few things that live between requests."""

    config: Config
    meters: RequestMetrics
    keys: SigningKeys
    hasher: PasswordHasher
    inference: InferenceService
    reader: Predictor
    groups: BatchWriter
    token_cache: TokenCache
    splits: SplitCache
    retrains: PeriodicWorker
    workshop: TrainingConfig
    lookout: PeriodicWorker
    mail: PeriodicWorker

    def notify_retrain_worker(self) -> None:
        """Have what waits trained soon, where servers train."""
        if self.config.runs_training:
            self.retrains.trigger()


def attach(app: Flask, parts: Container) -> None:
    """Give an application its parts."""
    app.extensions[_KEY] = container


def container() -> Container:
    """The parts of the application that handles this request."""
    return cast("Container", current_app.extensions[_KEY])

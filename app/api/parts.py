"""What create_app wired together, as views reach it."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from app.services.experiments import Splits
from app.services.inference import InferenceService
from app.services.passwords import PasswordHasher
from app.services.retraining import Supervisor
from config import Config

_KEY = "cifra"


@dataclass(frozen=True)
class Parts:
    """The settings and the few things that live between requests."""

    config: Config
    hasher: PasswordHasher
    inference: InferenceService
    splits: Splits
    retrains: Supervisor


def attach(app: Flask, parts: Parts) -> None:
    """Give an application its parts."""
    app.extensions[_KEY] = parts


def parts() -> Parts:
    """The parts of the application that handles this request."""
    return cast("Parts", current_app.extensions[_KEY])

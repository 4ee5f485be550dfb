"""Domain values as the JSON that clients see."""

from typing import Any

from app.domain.assignment import Version
from app.domain.readings import ModelName, Prediction, Reading
from app.services.accounts import Account
from app.services.history import Entry
from app.services.retraining import Job

IMPROVED = "Predicción mejorada"

Json = dict[str, Any]


def prediction(made: Prediction) -> Json:
    """An answer in the shape that old clients of its version know, with what we add."""
    answer: Json = {**reading(made.reading), "version": made.version}
    if made.version is Version.V2:
        answer["mensaje"] = IMPROVED
    return answer | {"prediction_id": str(made.id)}


def reading(read: Reading) -> Json:
    """What a model said of a digit."""
    return {
        "prediccion": read.digit,
        "probabilidad": read.probability,
        "probabilidades": read.shares,
        "model": model(read.model),
    }


def model(name: ModelName) -> Json:
    """Which model it was."""
    return {"name": name.name, "hash": name.short_hash}


def entry(kept: Entry) -> Json:
    """A prediction in one's history; what the other version said only after a word on it."""
    shown: Json = prediction(kept.prediction)
    shown["created_at"] = kept.prediction.created_at.isoformat()
    shown["feedback"] = None
    if kept.word is not None:
        shown["feedback"] = {**vars(kept.word), "comment": kept.comment}
        if kept.prediction.shadow is not None:
            other = kept.prediction.version.other
            shown["other"] = {**reading(kept.prediction.shadow), "version": other}
    return shown


def account(kept: Account) -> Json:
    """An account as admins see it."""
    created = kept.created_at and kept.created_at.isoformat()
    return {**vars(kept), "created_at": created}


def job(kept: Job) -> Json:
    """A retrain."""
    finished = kept.finished_at and kept.finished_at.isoformat()
    return {**vars(kept), "created_at": kept.created_at.isoformat(), "finished_at": finished}

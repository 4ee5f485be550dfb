"""Models: taking the shipped ones in, and what serves each version."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from app.domain.assignment import Version
from app.domain.errors import Unavailable
from app.domain.readings import ModelName
from app.services import experiments
from app.services.artefacts import name_of
from app.store import models
from app.store.db import Turn, reading, take_turn, writing
from app.store.tables import Deployment, Model


@dataclass(frozen=True)
class Artefact:
    """A model's ONNX file with the name of the model that it is."""

    model: ModelName
    onnx: bytes


def take_in_shipped(folder: Path) -> None:
    """Store the models that ship with Cifra, and put them into service where nothing serves yet.

    Where an earlier shipped model still serves, a newer one takes its place; a model that Cifra
    trained itself is left in service.
    """
    for version in Version:
        onnx = (folder / f"{version}.onnx").read_bytes()
        name = name_of(onnx)
        with writing() as session:
            take_turn(session, Turn.MODELS)
            model = _stored(session, name, onnx)
            current = models.serving(session, version)
            if current is None or (current.shipped and current.id != model.id):
                models.deploy(session, _deployment(version, model))
                experiments.follow_deployment(session)


def serving(version: Version) -> Artefact:
    """The model that serves a version. Raises Unavailable where there is none, or a damaged one."""
    with reading() as session:
        model = models.serving(session, version)
        if model is None:
            raise Unavailable(f"No model serves {version}")
        onnx = models.artefact(session, model.id)
    if hashlib.sha256(onnx).hexdigest() != model.sha256:
        raise Unavailable(f"The model that serves {version} is damaged")
    return Artefact(ModelName(model.id, model.name, model.sha256), onnx)


def _stored(session: Session, name: str, onnx: bytes) -> Model:
    sha256 = hashlib.sha256(onnx).hexdigest()
    model = models.find_by_checksum(session, sha256)
    if model is None:
        model = Model(
            name=name,
            sha256=sha256,
            artefact=onnx,
            shipped=True,
            created_at=datetime.now(UTC),
        )
        models.add(session, model)
    return model


def _deployment(version: Version, model: Model) -> Deployment:
    return Deployment(
        version=version, model_id=model.id, reason="shipped", created_at=datetime.now(UTC)
    )

"""Queries on models and on what was put into service."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.tables import Deployment, Model


def find_by_checksum(session: Session, sha256: str) -> Model | None:
    """The model with this artefact."""
    return session.scalar(select(Model).where(Model.sha256 == sha256))


def add(session: Session, model: Model) -> None:
    """Add a model; its id is known afterwards."""
    session.add(model)
    session.flush()


def deploy(session: Session, deployment: Deployment) -> None:
    """Add a deployment: from its commit on its model serves the version."""
    session.add(deployment)


def serving(session: Session, version: str) -> Model | None:
    """The model that serves a version: that of its last deployment."""
    return session.scalar(
        select(Model)
        .join(Deployment)
        .where(Deployment.version == version)
        .order_by(Deployment.id.desc())
        .limit(1)
    )


def artefact(session: Session, model_id: int) -> bytes:
    """A model's ONNX file."""
    return session.scalars(select(Model.artefact).where(Model.id == model_id)).one()

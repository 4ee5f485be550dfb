"""Queries on models and their deployments."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.store.tables import Deployment, Model

BUNDLED = "bundled"  # the reason of the deployment of a model that came with Cifra


def get(session: Session, model_id: int) -> Model | None:
    """Return the model with this id."""
    return session.get(Model, model_id)


def get_existing(session: Session, model_id: int) -> Model:
    """Return a model that is known to exist: models are never deleted."""
    return session.get_one(Model, model_id)


def get_by_checksum(session: Session, sha256: str) -> Model | None:
    """Return the model whose artifact has this checksum."""
    return session.scalar(select(Model).where(Model.sha256 == sha256))


def list_recent(session: Session, limit: int) -> Sequence[Model]:
    """Return the last models, newest first."""
    return session.scalars(select(Model).order_by(Model.id.desc()).limit(limit)).all()


def list_ids(session: Session) -> Sequence[int]:
    """Return the ids of all models."""
    return session.scalars(select(Model.id).order_by(Model.id)).all()


def add(session: Session, model: Model) -> None:
    """Add a model and assign the id."""
    session.add(model)
    session.flush()


def add_deployment(session: Session, deployment: Deployment) -> None:
    """Add a deployment; its model serves the version from the commit on."""
    session.add(deployment)
    session.flush()


def list_recent_deployments(session: Session, limit: int) -> Sequence[tuple[Deployment, Model]]:
    """Return the last deployments with their models, newest first."""
    query = select(Deployment, Model).join(Model, Deployment.model_id == Model.id)
    rows = session.execute(query.order_by(Deployment.id.desc()).limit(limit))
    return [(deployment, model) for deployment, model in rows]


def list_deployments_of(session: Session, version: str) -> Sequence[tuple[Deployment, Model]]:
    """Return all deployments of a version with their models, oldest first."""
    query = select(Deployment, Model).join(Model, Deployment.model_id == Model.id)
    rows = session.execute(query.where(Deployment.version == version).order_by(Deployment.id))
    return [(deployment, model) for deployment, model in rows]


def get_deployed(session: Session, version: str) -> Model | None:
    """Return the deployed model of a version: that of its last deployment."""
    return session.scalar(_newest_first(version).limit(1))


def last_deployed_at(session: Session) -> datetime | None:
    """Return the time of the last deployment of either version."""
    return session.scalar(select(Deployment.created_at).order_by(Deployment.id.desc()).limit(1))


def is_deployed(session: Session, version: str, model_id: int) -> bool:
    """Return whether this model is the deployed one of a version."""
    model = get_deployed(session, version)
    return model is not None and model.id == model_id


def list_ever_deployed(session: Session, version: str) -> Sequence[Model]:
    """Return the models of all deployments of a version, newest deployment first."""
    return session.scalars(_newest_first(version)).all()


def get_bundled(session: Session, version: str) -> Model | None:
    """Return the last bundled model of a version."""
    return session.scalar(_newest_first(version).where(Deployment.reason == BUNDLED).limit(1))


def get_artifact(session: Session, model_id: int) -> bytes:
    """Return a model's ONNX file."""
    return session.scalars(select(Model.artifact).where(Model.id == model_id)).one()


def _newest_first(version: str) -> Select[Model]:
    """Select the models of a version's deployments, newest deployment first."""
    return (
        select(Model)
        .join(Deployment)
        .where(Deployment.version == version)
        .order_by(Deployment.id.desc())
    )

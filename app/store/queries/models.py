"""Queries on models and on what was put into service."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.store.tables import Deployment, Model

BUNDLED = "bundled"  # the reason of a deployment that came with Cifra


def get(session: Session, model_id: int) -> Model | None:
    """The model with this id."""
    return session.get(Model, model_id)


def get_existing(session: Session, model_id: int) -> Model:
    """The model with this id, which is known to be there: models are never removed."""
    return session.get_one(Model, model_id)


def get_by_checksum(session: Session, sha256: str) -> Model | None:
    """The model with this artefact."""
    return session.scalar(select(Model).where(Model.sha256 == sha256))


def list_recent(session: Session, limit: int) -> Sequence[Model]:
    """The last models, the newest first."""
    return session.scalars(select(Model).order_by(Model.id.desc()).limit(limit)).all()


def add(session: Session, model: Model) -> None:
    """Add a model; its id is known afterwards."""
    session.add(model)
    session.flush()


def add_deployment(session: Session, deployment: Deployment) -> None:
    """Add a deployment: from its commit on its model serves the version."""
    session.add(deployment)
    session.flush()


def list_recent_deployments(session: Session, limit: int) -> Sequence[tuple[Deployment, Model]]:
    """The last deployments with their models, the newest first."""
    query = select(Deployment, Model).join(Model, Deployment.model_id == Model.id)
    rows = session.execute(query.order_by(Deployment.id.desc()).limit(limit))
    return [(deployment, model) for deployment, model in rows]


def list_deployments_of(session: Session, version: str) -> Sequence[tuple[Deployment, Model]]:
    """All deployments of a version with their models, the first one first."""
    query = select(Deployment, Model).join(Model, Deployment.model_id == Model.id)
    rows = session.execute(query.where(Deployment.version == version).order_by(Deployment.id))
    return [(deployment, model) for deployment, model in rows]


def get_deployed(session: Session, version: str) -> Model | None:
    """The model that serves a version: that of its last deployment."""
    return session.scalar(_served(version).limit(1))


def last_deployed_at(session: Session) -> datetime | None:
    """When a model was last put into service, for either version."""
    return session.scalar(select(Deployment.created_at).order_by(Deployment.id.desc()).limit(1))


def is_deployed(session: Session, version: str, model_id: int) -> bool:
    """Whether this model serves a version."""
    model = get_deployed(session, version)
    return model is not None and model.id == model_id


def list_ever_deployed(session: Session, version: str) -> Sequence[Model]:
    """The models that ever served a version, as they were deployed, the last one first."""
    return session.scalars(_served(version)).all()


def get_bundled(session: Session, version: str) -> Model | None:
    """The last model that Cifra itself shipped for a version."""
    return session.scalar(_served(version).where(Deployment.reason == BUNDLED).limit(1))


def get_artifact(session: Session, model_id: int) -> bytes:
    """A model's ONNX file."""
    return session.scalars(select(Model.artifact).where(Model.id == model_id)).one()


def _served(version: str) -> Select[Model]:
    return (
        select(Model)
        .join(Deployment)
        .where(Deployment.version == version)
        .order_by(Deployment.id.desc())
    )

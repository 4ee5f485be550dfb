"""Models: what there is, what serves each version, and putting another one into service."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from app.domain.assignment import Version
from app.domain.errors import Conflict, InvalidModel, NotFound
from app.domain.predictions import ModelRef
from app.services.experiments import lifecycle
from app.services.models.onnx_runtime import load_validated, read_model_name
from app.store.engine.db import AdvisoryLock, acquire, read_transaction, write_transaction
from app.store.queries import guarded_rollouts, models
from app.store.tables import Deployment, GuardedRollout, Model


@dataclass(frozen=True)
class ModelArtifact:
    """A model's ONNX file with the name of the model that it is."""

    model: ModelRef
    onnx: bytes


@dataclass(frozen=True)
class ModelSummary:
    """A model that is kept: what it serves now, what it was made for, why it may not serve."""

    model: ModelRef
    is_bundled: bool
    version: str | None
    rejection_reason: str | None
    created_at: datetime
    deployed_as: tuple[Version, ...]


@dataclass(frozen=True)
class DeploymentSummary:
    """A model that was put into service as a version, when and why."""

    id: int
    version: Version
    model: ModelRef
    reason: str
    user_id: int | None
    created_at: datetime


def register_bundled(folder: Path) -> None:
    """Store the models that ship with Cifra, and put them into service where nothing serves yet.

    Where an earlier shipped model still serves, a newer one takes its place, once: after a rollback
    it does not come back. A model that Cifra trained itself is left in service.
    """
    for version in Version:
        onnx = (folder / f"{version}.onnx").read_bytes()
        name = read_model_name(onnx)
        with write_transaction() as session:
            acquire(session, AdvisoryLock.MODELS)
            model = get_or_create(session, name, onnx, shipped=True)
            served = models.list_ever_deployed(session, version)
            if not served or (served[0].is_bundled and model not in served):
                deploy_in(session, version, model, models.BUNDLED)


def deployment_history_ids(version: Version) -> list[int]:
    """The ids of the models that ever served a version, as they were deployed, the last first."""
    with read_transaction() as session:
        return [model.id for model in models.list_ever_deployed(session, version)]


def get_artifact(model_id: int) -> ModelArtifact:
    """A model's file. Raises UnfitModel for one that is not what was stored."""
    with read_transaction() as session:
        return _load_artifact(session, models.get_existing(session, model_id))


def list_recent(limit: int) -> list[ModelSummary]:
    """The last models, the newest first."""
    with read_transaction() as session:
        serves = {version: models.get_deployed(session, version) for version in Version}
        return [
            ModelSummary(
                model=_model_ref(model),
                is_bundled=model.is_bundled,
                version=model.version,
                rejection_reason=model.rejection_reason,
                created_at=model.created_at,
                deployed_as=tuple(version for version, its in serves.items() if its is model),
            )
            for model in models.list_recent(session, limit)
        ]


def list_deployments(limit: int) -> list[DeploymentSummary]:
    """What was put into service last, the newest first."""
    with read_transaction() as session:
        return [
            _deployment_summary(deployment, model)
            for deployment, model in models.list_recent_deployments(session, limit)
        ]


def deploy(model_id: int, version: Version, user_id: int) -> DeploymentSummary:
    """Put a model into service, after it was loaded and has read a digit.

    Raises NotFound; Conflict for one that serves the version already or was rejected; UnfitModel.
    """
    with read_transaction() as session:
        wanted = models.get(session, model_id)
        if wanted is None:
            raise NotFound("There is no such model")
        if wanted.rejection_reason is not None:
            raise Conflict(f"This model was rejected: {wanted.rejection_reason}")
        get_artifact = _load_artifact(session, wanted)
    load_validated(get_artifact.onnx)
    with write_transaction() as session:
        acquire(session, AdvisoryLock.MODELS)
        serving_now = models.get_deployed(session, version)
        if serving_now is not None and serving_now.id == model_id:
            raise Conflict(f"This model serves {version} already")
        model = models.get_existing(session, model_id)
        return _deployment_summary(deploy_in(session, version, model, "deployed", user_id), model)


def roll_back(version: Version, user_id: int) -> DeploymentSummary:
    """Take back the last deployment of a version that was not taken back yet.

    Raises Conflict where there is none to take back, or another one came in the meantime;
    UnfitModel for an earlier model that is damaged.
    """
    with read_transaction() as session:
        _, earlier = _current_and_previous(session, version)
        get_artifact = _load_artifact(session, earlier)
    load_validated(get_artifact.onnx)
    with write_transaction() as session:
        acquire(session, AdvisoryLock.MODELS)
        _, model = _current_and_previous(session, version)
        if model.id != earlier.id:
            raise Conflict("Another model was put into service in the meantime")
        deployment = deploy_in(session, version, model, "rolled back", user_id, is_rollback=True)
        return _deployment_summary(deployment, model)


def get_or_create(session: Session, name: str, onnx: bytes, *, shipped: bool = False) -> Model:
    """Store a model, in a unit of work of the caller's; the same artefact is stored once."""
    sha256 = hashlib.sha256(onnx).hexdigest()
    model = models.get_by_checksum(session, sha256)
    if model is None:
        now = datetime.now(UTC)
        model = Model(name=name, sha256=sha256, artifact=onnx, is_bundled=shipped, created_at=now)
        models.add(session, model)
    return model


def deploy_in(
    session: Session,
    version: Version,
    model: Model,
    reason: str,
    user_id: int | None = None,
    *,
    is_rollback: bool = False,
) -> Deployment:
    """Have a model serve a version from the commit on; the experiment against the old one ends.

    The old one shadows it from then on, unless this takes a deployment back.
    """
    now = datetime.now(UTC)
    _start_rollout(session, version, None if is_rollback else model, now)
    deployment = Deployment(
        version=version,
        model_id=model.id,
        reason=reason,
        is_rollback=is_rollback,
        user_id=user_id,
        created_at=now,
    )
    models.add_deployment(session, deployment)
    lifecycle.restart_after_deployment(session)
    return deployment


def _start_rollout(session: Session, version: Version, model: Model | None, now: datetime) -> None:
    """Close the version's guard, and open another one for the model that comes.

    One that follows before its predecessor was shown to be good is held against the model before.
    """
    serving = models.get_deployed(session, version)
    trusted_id = None if serving is None else serving.id
    for guard in guarded_rollouts.list_active(session):
        if guard.version == version:
            guard.closed_at, guard.outcome = now, "superseded"
            trusted_id = guard.predecessor_id
    if model is not None and trusted_id not in (None, model.id):
        guarded_rollouts.add(
            session,
            GuardedRollout(
                version=version, model_id=model.id, predecessor_id=trusted_id, opened_at=now
            ),
        )


def _current_and_previous(session: Session, version: Version) -> tuple[Model, Model]:
    """The model that serves a version, and the one that a rollback brings back."""
    standing: list[Model] = []
    for deployment, model in models.list_deployments_of(session, version):
        while deployment.is_rollback and standing and standing[-1] is not model:
            standing.pop()
        if not deployment.is_rollback:
            standing.append(model)
    if len(standing) < 2:
        raise Conflict(f"No deployment of {version} is left to take back")
    return standing[-1], standing[-2]


def _load_artifact(session: Session, model: Model) -> ModelArtifact:
    """Raises UnfitModel for a file that is not what was stored."""
    onnx = models.get_artifact(session, model.id)
    if hashlib.sha256(onnx).hexdigest() != model.sha256:
        raise InvalidModel(f"The artefact of {model.name} is damaged")
    return ModelArtifact(_model_ref(model), onnx)


def _model_ref(model: Model) -> ModelRef:
    return ModelRef(model.id, model.name, model.sha256)


def _deployment_summary(deployment: Deployment, model: Model) -> DeploymentSummary:
    return DeploymentSummary(
        id=deployment.id,
        version=Version(deployment.version),
        model=_model_ref(model),
        reason=deployment.reason,
        user_id=deployment.user_id,
        created_at=deployment.created_at,
    )

"""The model registry: stored models, and which of them is deployed as each version."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from app.domain.assignment import Version
from app.domain.errors import Conflict, InvalidModel, NotFound
from app.domain.predictions import ModelRef
from app.services.experiments import lifecycle
from app.services.models.digit_classifier import load_validated, read_model_name
from app.store.engine.db import AdvisoryLock, acquire, read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import guarded_rollouts, models
from app.store.tables import Deployment, GuardedRollout, Model

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelArtifact:
    """A model's ONNX file, with a reference to the model."""

    model: ModelRef
    onnx: bytes


@dataclass(frozen=True)
class ModelSummary:
    """A stored model; `version` is the one it was trained for, `deployed_as` what it serves now."""

    model: ModelRef
    is_bundled: bool
    version: str | None
    rejection_reason: str | None
    created_at: datetime
    deployed_as: tuple[Version, ...]


@dataclass(frozen=True)
class DeploymentSummary:
    """A deployment of a model as a version, with its time, reason and user."""

    id: int
    version: Version
    model: ModelRef
    reason: str
    user_id: int | None
    created_at: datetime


@retried
def register_bundled(folder: Path) -> None:
    """Store the bundled models, and deploy them as versions that have no model yet.

    A newer bundled model replaces an older bundled one, but only once: after a rollback it is not
    deployed again. A model that was retrained here stays deployed. A stored one that was damaged is
    restored from its file. Raises InvalidModel if a version has no model and its file is unusable.
    """
    for version in Version:
        try:
            name, onnx = _read_bundled(folder / f"{version}.onnx")
        except InvalidModel as error:
            if not deployment_history_ids(version):
                raise
            _log.error("%s; the stored models of %s stay", error.message, version)
            continue
        with write_transaction() as session:
            acquire(session, AdvisoryLock.MODELS)
            model = get_or_create(session, name, onnx, is_bundled=True)
            deployed = models.list_ever_deployed(session, version)
            if not deployed or (deployed[0].is_bundled and model not in deployed):
                deploy_in(session, version, model, models.BUNDLED)


def _read_bundled(file: Path) -> tuple[str, bytes]:
    """Return the name and the bytes of a bundled model. Raises InvalidModel."""
    advice = "restore it from the release"
    try:
        onnx = file.read_bytes()
        return read_model_name(onnx), onnx
    except OSError as error:
        raise InvalidModel(f"{file} cannot be read: {error.strerror}; {advice}") from error
    except InvalidModel as error:
        raise InvalidModel(f"{file} is damaged; {advice}") from error


def is_restorable(version: Version, folder: Path) -> bool:
    """Return whether a start would restore a version's deployed model from the bundled ones."""
    with read_transaction() as session:
        model = models.get_deployed(session, version)
    files = (folder / f"{version}.onnx" for version in Version)
    return model is not None and any(
        _checksum(file.read_bytes()) == model.sha256 for file in files if file.exists()
    )


def deployment_history_ids(version: Version) -> list[int]:
    """Return the ids of all models ever deployed as a version, most recent deployment first."""
    with read_transaction() as session:
        return [model.id for model in models.list_ever_deployed(session, version)]


def get_artifact(model_id: int) -> ModelArtifact:
    """Return a model's file. Raises InvalidModel if it does not match its checksum."""
    with read_transaction() as session:
        return _load_artifact(session, models.get_existing(session, model_id))


def list_recent(limit: int) -> list[ModelSummary]:
    """Return the last models, newest first."""
    with read_transaction() as session:
        deployed = {version: models.get_deployed(session, version) for version in Version}
        return [
            ModelSummary(
                model=_model_ref(model),
                is_bundled=model.is_bundled,
                version=model.version,
                rejection_reason=model.rejection_reason,
                created_at=model.created_at,
                deployed_as=tuple(version for version, its in deployed.items() if its is model),
            )
            for model in models.list_recent(session, limit)
        ]


def list_deployments(limit: int) -> list[DeploymentSummary]:
    """Return the last deployments, newest first."""
    with read_transaction() as session:
        return [
            _deployment_summary(deployment, model)
            for deployment, model in models.list_recent_deployments(session, limit)
        ]


@retried
def deploy(model_id: int, version: Version, user_id: int) -> DeploymentSummary:
    """Validate a model and deploy it as a version.

    Raises NotFound; Conflict if it is already deployed as this version or was rejected;
    InvalidModel.
    """
    with read_transaction() as session:
        candidate = models.get(session, model_id)
        if candidate is None:
            raise NotFound("There is no such model")
        if candidate.rejection_reason is not None:
            raise Conflict(f"This model was rejected: {candidate.rejection_reason}")
        artifact = _load_artifact(session, candidate)
    load_validated(artifact.onnx)
    with write_transaction() as session:
        acquire(session, AdvisoryLock.MODELS)
        current = models.get_deployed(session, version)
        if current is not None and current.id == model_id:
            raise Conflict(f"This model is already deployed as {version}")
        model = models.get_existing(session, model_id)
        return _deployment_summary(deploy_in(session, version, model, "deployed", user_id), model)


@retried
def roll_back(version: Version, user_id: int) -> DeploymentSummary:
    """Roll back a version's last deployment that was not rolled back yet.

    Raises Conflict if there is none, or if another model was deployed in the meantime;
    InvalidModel if the previous model is damaged.
    """
    with read_transaction() as session:
        _, previous = _current_and_previous(session, version)
        artifact = _load_artifact(session, previous)
    load_validated(artifact.onnx)
    with write_transaction() as session:
        acquire(session, AdvisoryLock.MODELS)
        _, model = _current_and_previous(session, version)
        if model.id != previous.id:
            raise Conflict("Another model was deployed in the meantime")
        deployment = deploy_in(session, version, model, "rolled back", user_id, is_rollback=True)
        return _deployment_summary(deployment, model)


def get_or_create(session: Session, name: str, onnx: bytes, *, is_bundled: bool = False) -> Model:
    """Store a model in the caller's transaction; the same artifact is stored only once.

    If it is stored already and its bytes were damaged, they are replaced.
    """
    sha256 = _checksum(onnx)
    model = models.get_by_checksum(session, sha256)
    if model is None:
        now = datetime.now(UTC)
        model = Model(
            name=name, sha256=sha256, artifact=onnx, is_bundled=is_bundled, created_at=now
        )
        models.add(session, model)
    elif models.get_artifact(session, model.id) != onnx:
        _log.warning("restored model %s (%s), whose stored artifact was damaged", model.id, name)
        model.artifact = onnx
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
    """Deploy a model in the caller's transaction; it serves from the commit on.

    This ends the experiment with the previous model, and starts a guarded rollout in which that
    model shadows the new one, unless the deployment is a rollback.
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
    """Close the version's open rollout, and start one for the new model unless that is None.

    The new model is compared with the last trusted one: if the current model was still in its own
    rollout, that is the current model's predecessor.
    """
    current = models.get_deployed(session, version)
    trusted_id = None if current is None else current.id
    for rollout in guarded_rollouts.list_active(session):
        if rollout.version == version:
            rollout.closed_at, rollout.outcome = now, "superseded"
            trusted_id = rollout.predecessor_id
    if model is not None and trusted_id not in (None, model.id):
        guarded_rollouts.add(
            session,
            GuardedRollout(
                version=version, model_id=model.id, predecessor_id=trusted_id, opened_at=now
            ),
        )


def _current_and_previous(session: Session, version: Version) -> tuple[Model, Model]:
    """Return the model deployed as a version and the one that a rollback restores.

    A rollback removes the deployments made after the restored model, so the next rollback goes one
    further back.
    """
    stack: list[Model] = []
    for deployment, model in models.list_deployments_of(session, version):
        while deployment.is_rollback and stack and stack[-1] is not model:
            stack.pop()
        if not deployment.is_rollback:
            stack.append(model)
    if len(stack) < 2:
        raise Conflict(f"There is no deployment of {version} left to roll back")
    return stack[-1], stack[-2]


def _load_artifact(session: Session, model: Model) -> ModelArtifact:
    """Read a model's file. Raises InvalidModel if it does not match its checksum."""
    onnx = models.get_artifact(session, model.id)
    if _checksum(onnx) != model.sha256:
        raise InvalidModel(f"The artifact of {model.name} is damaged")
    return ModelArtifact(_model_ref(model), onnx)


def _checksum(onnx: bytes) -> str:
    return hashlib.sha256(onnx).hexdigest()


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

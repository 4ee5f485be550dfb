"""Domain values as the JSON that clients see."""

from collections.abc import Mapping
from typing import Any

from app.domain.assignment import Version
from app.domain.intervals import Interval
from app.domain.predictions import ModelOutput, ModelRef, Prediction
from app.services.accounts.users import Account
from app.services.experiments.evaluation import Evaluation
from app.services.experiments.lifecycle import ExperimentSummary, StageSummary
from app.services.models.guarded_rollout import RolloutStatus
from app.services.models.registry import DeploymentSummary, ModelSummary
from app.services.notifications.alerts import Alert
from app.services.predictions.history import HistoryEntry
from app.services.reporting.report import FeedbackTotals, Report, UserFeedback, VersionReport
from app.services.reporting.version_metrics import CalibrationBin
from app.services.retraining.jobs import Job
from app.services.reviews.attention_checks import ReviewerReliability
from app.services.reviews.recent_labels import ReviewResult

IMPROVED_MESSAGE = "Predicción mejorada"
NO_FEEDBACK_MESSAGE = "No hay feedback disponible"

Json = dict[str, Any]


def prediction(made: Prediction) -> Json:
    """An answer in the shape that old clients of its version know, with what we add."""
    answer = model_output(made.output)
    answer["version"] = made.version
    if made.version is Version.V2:
        answer["mensaje"] = IMPROVED_MESSAGE
    answer["prediction_id"] = str(made.id)
    return answer


def ab_prediction(made: Prediction) -> Json:
    """An answer of the A/B test: which version was drawn is said twice, for old clients."""
    return prediction(made) | {"ab_version": made.version}


def model_output(read: ModelOutput) -> Json:
    """What a model said of a digit."""
    return {
        "prediccion": read.digit,
        "probabilidad": read.probability,
        "probabilidades": read.normalized_probabilities,
        "model": model_ref(read.model),
    }


def model_ref(name: ModelRef) -> Json:
    """Which model it was."""
    return {"name": name.name, "hash": name.short_hash}


def history_entry(kept: HistoryEntry) -> Json:
    """A prediction in one's history; what the other version said only after a word on it."""
    shown: Json = prediction(kept.prediction)
    shown["created_at"] = kept.prediction.created_at.isoformat()
    shown["feedback"] = None
    if kept.feedback is not None:
        shown["feedback"] = {
            "correct": kept.feedback.correct,
            "digit": kept.feedback.digit,
            "not_a_digit": kept.feedback.not_a_digit,
            "comment": kept.comment,
        }
        if kept.prediction.shadow is not None:
            other = kept.prediction.version.other
            shown["shadow_prediction"] = {**model_output(kept.prediction.shadow), "version": other}
    return shown


def account(kept: Account) -> Json:
    """An account as admins see it."""
    return {
        "id": kept.id,
        "username": kept.username,
        "email": kept.email,
        "role": kept.role,
        "locked": kept.locked,
        "has_password": kept.has_password,
        "created_at": kept.created_at and kept.created_at.isoformat(),
        "notifications": kept.notifications,
    }


def job(kept: Job) -> Json:
    """A retrain."""
    return {
        "id": kept.id,
        "version": kept.version,
        "deploy": kept.deploy,
        "status": kept.status,
        "error": kept.error,
        "created_at": kept.created_at.isoformat(),
        "started_at": kept.started_at and kept.started_at.isoformat(),
        "finished_at": kept.finished_at and kept.finished_at.isoformat(),
        "stage": kept.stage,
        "progress": kept.progress,
        "loss": kept.loss,
        "seconds_left": kept.seconds_left,
        "train_labels": kept.train_labels,
        "holdout_labels": kept.holdout_labels,
        "gates": kept.gates,
        "model_id": kept.model_id,
    }


def model_summary(kept: ModelSummary) -> Json:
    """A model that is kept."""
    return {
        "id": kept.model.id,
        **model_ref(kept.model),
        "is_bundled": kept.is_bundled,
        "version": kept.version,
        "rejection_reason": kept.rejection_reason,
        "deployed_as": kept.deployed_as,
        "created_at": kept.created_at.isoformat(),
    }


def deployment(made: DeploymentSummary) -> Json:
    """A model put into service."""
    return {
        "id": made.id,
        "version": made.version,
        "model": {"id": made.model.id, **model_ref(made.model)},
        "reason": made.reason,
        "user_id": made.user_id,
        "created_at": made.created_at.isoformat(),
    }


def guarded_rollout(found: RolloutStatus) -> Json:
    """A newly deployed model beside its predecessor."""
    return {
        "id": found.id,
        "version": found.version,
        "model_id": found.model_id,
        "predecessor_id": found.predecessor_id,
        "opened_at": found.opened_at.isoformat(),
        "closed_at": found.closed_at and found.closed_at.isoformat(),
        "outcome": found.outcome,
        "requests": found.requests,
        "disagreements": found.disagreements,
        "labels": found.labeled,
        "accuracy_difference": interval(found.difference),
    }


def alert(told: Alert) -> Json:
    """What happened by itself."""
    return {
        "id": told.id,
        "kind": told.kind,
        "message": told.message,
        "created_at": told.created_at.isoformat(),
    }


def experiment(kept: ExperimentSummary) -> Json:
    """An experiment with its steps and its verdict."""
    winner = None
    if kept.winner is not None and kept.winner_at is not None:
        winner = {"version": kept.winner, "named_at": kept.winner_at.isoformat()}
    return {
        "id": kept.id,
        "running": kept.ended_at is None,
        "unit": kept.unit,
        "weight": kept.stages[-1].weight,
        "ramp": kept.ramp,
        "started_at": kept.started_at.isoformat(),
        "ended_at": kept.ended_at and kept.ended_at.isoformat(),
        "end_reason": kept.end_reason,
        "stages": [_stage(step) for step in kept.stages],
        "winner": winner,
        **evaluation(kept.evaluation),
    }


def _stage(step: StageSummary) -> Json:
    return {
        "weight": step.weight,
        "reason": step.reason,
        "started_at": step.started_at.isoformat(),
    }


def evaluation(found: Evaluation) -> Json:
    """A verdict with what it rests on; shares and differences are in 0..1."""
    verdict = found.verdict
    return {
        "verdict": verdict.outcome,
        "reason": verdict.reason,
        "e_value": verdict.e_value,
        "v2_win_rate": interval(verdict.win_rate),
        "accuracy_difference": interval(verdict.difference),
        "labels_needed": found.labels_needed,
        "labels": found.labels_used,
        "requests": found.traffic.total,
        "disagreements": found.traffic.disagreements,
        "served": {version: found.served_by(version) for version in Version},
        "sample_ratio_mismatch": {
            "log_e_value": found.validity.mismatch_log_e_value,
            "p_value": found.mismatch_p_value,
        },
        "crossover_rate": found.validity.crossovers.value,
        "skip_rate": found.validity.skips.value,
        "erasure_rate": found.validity.erasures.value,
        "warnings": found.warnings,
    }


def report(made: Report) -> Json:
    """The old report's figures, and beside them those of each version and of the experiment."""
    told = feedback_totals(made.feedback) if made.feedback.total else {"msg": NO_FEEDBACK_MESSAGE}
    return told | version_comparison(made)


def version_comparison(made: Report) -> Json:
    """The part of the report that holds the versions against each other."""
    return {
        "versions": {name: _version(version) for name, version in made.versions.items()},
        "experiment": made.experiment and experiment(made.experiment),
        "user_feedback": made.user_feedback and _user_feedback(made.user_feedback),
    }


def feedback_totals(found: FeedbackTotals) -> Json:
    """What people said, in the old report's figures."""
    return {
        "total_feedback": found.total,
        "correct_feedback": found.correct,
        "incorrect_feedback": found.total - found.correct,
        "accuracy_percentage": round(100 * found.correct / max(found.total, 1), 2),
    }


def feedback_summary(found: tuple[FeedbackTotals, Mapping[Version, FeedbackTotals]]) -> Json:
    """What people said, of all answers and of each version's."""
    total, versions = found
    by_version = {
        version: {"feedback_count": said.total, "correct": said.correct}
        for version, said in versions.items()
    }
    return {**feedback_totals(total), "versions": by_version}


def reliability(found: ReviewerReliability) -> Json:
    """What a reviewer made of pictures with known digits."""
    return {
        "reviewer_id": found.reviewer_id,
        "answered": found.answered,
        "correct": found.correct,
        "is_reliable": found.is_reliable,
    }


def review_result(found: ReviewResult) -> Json:
    """What a reviewer said of somebody's picture."""
    return {
        "prediction_id": str(found.prediction_id),
        "digit": found.digit,
        "not_a_digit": found.digit is None,
    }


def _version(found: VersionReport) -> Json:
    return {
        "served": found.served,
        "feedback_count": found.feedback.total,
        "correct": found.feedback.correct,
        "response_rate": found.feedback.total / max(found.served, 1),
        "latency_ms": found.latency_ms,
        "accuracy": {"value": found.accuracy.value, **interval(found.accuracy.interval)},
        "confusion_matrix": found.confusion,
        "calibration": [_calibration(part) for part in found.calibration],
    }


def _calibration(part: CalibrationBin) -> Json:
    return {
        "low": part.low,
        "high": part.high,
        "labels": part.labels,
        "confidence": part.confidence,
        "accuracy": part.accuracy,
    }


def _user_feedback(found: UserFeedback) -> Json:
    """Marked for what it is: nothing here moves the verdict."""
    return {
        "note": "volunteered by users, who are not blind: it never moves the verdict",
        "versions": {
            version: {
                "eligible": feedback_totals.total,
                "eligible_correct": feedback_totals.correct,
            }
            for version, feedback_totals in found.feedback.items()
        },
        "difference": interval(found.difference),
    }


def interval(found: Interval) -> Json:
    """Both ends."""
    return {"low": found.low, "high": found.high}

"""Convert domain values to the JSON of responses, events and the CSV report."""

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
DOUBT_WARNING = "The image may not show exactly one digit; check the result"

Json = dict[str, Any]


def prediction(item: Prediction) -> Json:
    """Return a prediction with the fields that old clients expect, and the added ones."""
    answer = model_output(item.output)
    answer["version"] = item.version
    if item.version is Version.V2:
        answer["mensaje"] = IMPROVED_MESSAGE
    answer["prediction_id"] = str(item.id)
    if item.is_doubtful:
        answer["warning"] = DOUBT_WARNING
    return answer


def ab_prediction(item: Prediction) -> Json:
    """Return an A/B prediction; `ab_version` repeats `version` for old clients."""
    return prediction(item) | {"ab_version": item.version}


def model_output(output: ModelOutput) -> Json:
    """Return the predicted digit, its confidence and all ten probabilities."""
    return {
        "prediccion": output.digit,
        "probabilidad": output.probability,
        "probabilidades": output.normalized_probabilities,
        "model": model_ref(output.model),
    }


def model_ref(model: ModelRef) -> Json:
    """Return a model's name and short hash."""
    return {"name": model.name, "hash": model.short_hash}


def history_entry(entry: HistoryEntry) -> Json:
    """Return a stored prediction; the shadow prediction only once there is feedback."""
    answer: Json = prediction(entry.prediction)
    answer["created_at"] = entry.prediction.created_at.isoformat()
    answer["feedback"] = None
    if entry.feedback is not None:
        answer["feedback"] = {
            "correct": entry.feedback.correct,
            "digit": entry.feedback.digit,
            "not_a_digit": entry.feedback.not_a_digit,
            "comment": entry.comment,
        }
        if entry.prediction.shadow is not None:
            other = entry.prediction.version.other
            answer["shadow_prediction"] = {
                **model_output(entry.prediction.shadow),
                "version": other,
            }
    return answer


def account(user: Account) -> Json:
    """Return an account as its owner and admins see it."""
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "role": user.role,
        "locked": user.locked,
        "has_password": user.has_password,
        "created_at": user.created_at and user.created_at.isoformat(),
        "notifications": user.notifications,
    }


def job(retrain: Job) -> Json:
    """Return a retrain job."""
    return {
        "id": retrain.id,
        "version": retrain.version,
        "deploy": retrain.deploy,
        "status": retrain.status,
        "error": retrain.error,
        "created_at": retrain.created_at.isoformat(),
        "started_at": retrain.started_at and retrain.started_at.isoformat(),
        "finished_at": retrain.finished_at and retrain.finished_at.isoformat(),
        "stage": retrain.stage,
        "progress": retrain.progress,
        "loss": retrain.loss,
        "seconds_left": retrain.seconds_left,
        "train_labels": retrain.train_labels,
        "holdout_labels": retrain.holdout_labels,
        "gates": retrain.gates,
        "model_id": retrain.model_id,
    }


def model_summary(summary: ModelSummary) -> Json:
    """Return a stored model."""
    return {
        "id": summary.model.id,
        **model_ref(summary.model),
        "is_bundled": summary.is_bundled,
        "version": summary.version,
        "rejection_reason": summary.rejection_reason,
        "deployed_as": summary.deployed_as,
        "created_at": summary.created_at.isoformat(),
    }


def deployment(deployed: DeploymentSummary) -> Json:
    """Return a deployment."""
    return {
        "id": deployed.id,
        "version": deployed.version,
        "model": {"id": deployed.model.id, **model_ref(deployed.model)},
        "reason": deployed.reason,
        "user_id": deployed.user_id,
        "created_at": deployed.created_at.isoformat(),
    }


def guarded_rollout(rollout: RolloutStatus) -> Json:
    """Return a guarded rollout."""
    return {
        "id": rollout.id,
        "version": rollout.version,
        "model_id": rollout.model_id,
        "predecessor_id": rollout.predecessor_id,
        "opened_at": rollout.opened_at.isoformat(),
        "closed_at": rollout.closed_at and rollout.closed_at.isoformat(),
        "outcome": rollout.outcome,
        "requests": rollout.requests,
        "disagreements": rollout.disagreements,
        "labels": rollout.labeled,
        "accuracy_difference": interval(rollout.difference),
    }


def alert(item: Alert) -> Json:
    """Return an alert."""
    return {
        "id": item.id,
        "kind": item.kind,
        "message": item.message,
        "created_at": item.created_at.isoformat(),
    }


def experiment(summary: ExperimentSummary) -> Json:
    """Return an experiment with its stages and its verdict."""
    winner = None
    if summary.winner is not None and summary.winner_at is not None:
        winner = {"version": summary.winner, "named_at": summary.winner_at.isoformat()}
    return {
        "id": summary.id,
        "running": summary.ended_at is None,
        "unit": summary.unit,
        "weight": summary.stages[-1].weight,
        "ramp": summary.ramp,
        "started_at": summary.started_at.isoformat(),
        "ended_at": summary.ended_at and summary.ended_at.isoformat(),
        "end_reason": summary.end_reason,
        "stages": [_stage(step) for step in summary.stages],
        "winner": winner,
        **evaluation(summary.evaluation),
    }


def _stage(step: StageSummary) -> Json:
    return {
        "weight": step.weight,
        "reason": step.reason,
        "started_at": step.started_at.isoformat(),
    }


def evaluation(result: Evaluation) -> Json:
    """Return a verdict with its evidence; proportions and differences are fractions of 1."""
    verdict = result.verdict
    return {
        "verdict": verdict.outcome,
        "reason": verdict.reason,
        "e_value": verdict.e_value,
        "v2_win_rate": interval(verdict.win_rate),
        "accuracy_difference": interval(verdict.difference),
        "labels_needed": result.labels_needed,
        "labels": result.labels_used,
        "requests": result.traffic.total,
        "disagreements": result.traffic.disagreements,
        "served": {version: result.served_by(version) for version in Version},
        "sample_ratio_mismatch": {
            "log_e_value": result.validity.mismatch_log_e_value,
            "p_value": result.mismatch_p_value,
        },
        "crossover_rate": result.validity.crossovers.value,
        "skip_rate": result.validity.skips.value,
        "erasure_rate": result.validity.erasures.value,
        "warnings": result.warnings,
    }


def report(result: Report) -> Json:
    """Return the report: feedback totals, both versions and the experiment."""
    totals = (
        feedback_totals(result.feedback) if result.feedback.total else {"msg": NO_FEEDBACK_MESSAGE}
    )
    return totals | version_comparison(result)


def version_comparison(result: Report) -> Json:
    """Return the part of the report that compares the versions."""
    return {
        "versions": {name: _version(version) for name, version in result.versions.items()},
        "experiment": result.experiment and experiment(result.experiment),
        "user_feedback": result.user_feedback and _user_feedback(result.user_feedback),
    }


def feedback_totals(totals: FeedbackTotals) -> Json:
    """Return the feedback totals in the old report's fields."""
    return {
        "total_feedback": totals.total,
        "correct_feedback": totals.correct,
        "incorrect_feedback": totals.total - totals.correct,
        "accuracy_percentage": round(100 * totals.correct / max(totals.total, 1), 2),
    }


def feedback_summary(summary: tuple[FeedbackTotals, Mapping[Version, FeedbackTotals]]) -> Json:
    """Return the feedback totals of all predictions and of each version."""
    total, versions = summary
    by_version = {
        version: {"feedback_count": counts.total, "correct": counts.correct}
        for version, counts in versions.items()
    }
    return {**feedback_totals(total), "versions": by_version}


def reliability(reviewer: ReviewerReliability) -> Json:
    """Return a reviewer's result on attention checks."""
    return {
        "reviewer_id": reviewer.reviewer_id,
        "answered": reviewer.answered,
        "correct": reviewer.correct,
        "is_reliable": reviewer.is_reliable,
    }


def review_result(result: ReviewResult) -> Json:
    """Return a reviewer's label of a user's image."""
    return {
        "prediction_id": str(result.prediction_id),
        "digit": result.digit,
        "not_a_digit": result.digit is None,
    }


def _version(version: VersionReport) -> Json:
    return {
        "served": version.served,
        "feedback_count": version.feedback.total,
        "correct": version.feedback.correct,
        "response_rate": version.feedback.total / max(version.served, 1),
        "latency_ms": version.latency_ms,
        "accuracy": {"value": version.accuracy.value, **interval(version.accuracy.interval)},
        "confusion_matrix": version.confusion,
        "calibration": [_calibration(each) for each in version.calibration],
    }


def _calibration(bin_: CalibrationBin) -> Json:
    return {
        "low": bin_.low,
        "high": bin_.high,
        "labels": bin_.labels,
        "confidence": bin_.confidence,
        "accuracy": bin_.accuracy,
    }


def _user_feedback(result: UserFeedback) -> Json:
    """Return the comparison by user feedback, marked as no part of the verdict."""
    return {
        "note": "volunteered by users, who are not blind; it does not affect the verdict",
        "versions": {
            version: {
                "eligible": totals.total,
                "eligible_correct": totals.correct,
            }
            for version, totals in result.feedback.items()
        },
        "difference": interval(result.difference),
    }


def interval(bounds: Interval) -> Json:
    """Return both ends of an interval."""
    return {"low": bounds.low, "high": bounds.high}

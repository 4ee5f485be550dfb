"""Group commit: predictions that arrive together are written in one transaction.

The one exception to "a service owns its transaction, once per use case": a group is of as many use
cases as there are entries in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from app.domain.assignment import AssignmentUnit, TrafficSplit
from app.domain.predictions import DigitImage, Prediction, ShadowComparison, image_hash
from app.store.engine.batch_writes import BatchTransaction, BatchWriter
from app.store.queries import counters, experiments, guarded_rollouts, predictions, reviews
from app.store.queries.counters import NO_NEW_UNITS, NewUnits


@dataclass(frozen=True)
class PredictionRecord:
    """A prediction with its digit; for A/B also how it was divided, and what guards saw."""

    prediction: Prediction
    digit: DigitImage
    split: TrafficSplit | None = None
    guarded: Sequence[ShadowComparison] = ()


_SplitRecord = tuple[PredictionRecord, TrafficSplit]


def write_batch(groups: BatchWriter, entries: Sequence[PredictionRecord]) -> list[Exception | None]:
    """Write entries in one transaction; where rows of them are refused, each in its own.

    So a request whose account is erased meanwhile fails by itself. Returns the error of each, None
    where there was none: what is written survives the end of the process.
    """
    try:
        groups.write(lambda group: _write(group, entries))
    except (IntegrityError, DataError) as error:
        return (
            [error] if len(entries) == 1 else [write_batch(groups, [each])[0] for each in entries]
        )
    except SQLAlchemyError as error:
        return [error] * len(entries)
    return [None] * len(entries)


def _write(group: BatchTransaction, entries: Sequence[PredictionRecord]) -> None:
    """Write rows that other processes may write too in the order of their keys.

    So two groups wait for each other in turn, not in a circle.
    """
    predictions.add(group, [(entry.prediction, entry.digit) for entry in entries])
    chosen = [(entry.prediction, NO_NEW_UNITS) for entry in entries if entry.split is None]
    divided = [(entry, entry.split) for entry in entries if entry.split is not None]
    _enqueue_reviews(group, divided)
    counters.count_predictions(group, chosen + _count_exposures(group, divided))


def _enqueue_reviews(group: BatchTransaction, divided: Sequence[_SplitRecord]) -> None:
    """Note what guards saw; have pictures reviewed where an experiment or a guard asks."""
    items = []
    for entry, split in divided:
        prediction, is_evidence = entry.prediction, split.experiment_id is not None
        guarded_rollouts.add_comparisons(
            group, prediction.id, entry.guarded, is_evidence=is_evidence
        )
        if is_evidence and (prediction.disagrees or split.is_audited(prediction.id)):
            items.append(_review_item(entry, split, split.experiment_id))
        elif any(case.disagrees for case in entry.guarded):
            items.append(_review_item(entry, split, None))
    reviews.enqueue_batch(group, items)


def _review_item(
    entry: PredictionRecord, split: TrafficSplit, experiment_id: int | None
) -> dict[str, Any]:
    """A picture to be reviewed, as evidence in an experiment or not."""
    prediction = entry.prediction
    return {
        "prediction_id": prediction.id,
        "experiment_id": experiment_id,
        "image_hash": image_hash(entry.digit.tobytes()),
        "is_audit": experiment_id is not None and not prediction.disagrees,
        "order_key": split.review_order_key(prediction.id),
    }


def _count_exposures(
    group: BatchTransaction, divided: Sequence[_SplitRecord]
) -> list[tuple[Prediction, NewUnits]]:
    """What each assigned: the request, or the user when the stage had not met them yet."""
    units, met = [], []
    for entry, split in divided:
        prediction = entry.prediction
        if split.stage_id is None:
            units.append((prediction, NO_NEW_UNITS))
        elif split.unit is AssignmentUnit.REQUEST:
            units.append((prediction, NewUnits(1, 0)))
        else:
            met.append((split.stage_id, split.unit_hash(prediction.user_id), prediction))
    for stage_id, unit_hash, prediction in sorted(met, key=itemgetter(0, 1)):
        version = prediction.version.value
        units.append((prediction, experiments.record_exposure(group, stage_id, unit_hash, version)))
    return units

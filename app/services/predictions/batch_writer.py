"""Group commit: predictions that arrive together are written in one transaction.

A commit that survives a crash waits for the disk, which takes longer than writing the rows, so one
commit for many predictions is what lets a server answer more of them. It is the one exception to
"a service owns its transaction, once per use case": a batch is as many use cases as it has records.
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
    """A prediction and its digit image; for A/B traffic also its split and shadow comparisons."""

    prediction: Prediction
    digit_image: DigitImage
    split: TrafficSplit | None = None
    comparisons: Sequence[ShadowComparison] = ()


_SplitRecord = tuple[PredictionRecord, TrafficSplit]


def write_batch(writer: BatchWriter, records: Sequence[PredictionRecord]) -> list[Exception | None]:
    """Write records in one transaction; if the database rejects a row, each in its own.

    So a request whose account was deleted meanwhile fails without the others. Returns for each
    record its error or None. Records without an error survive the end of the process:
    tests/integration/test_durability.py.
    """
    try:
        writer.write(lambda transaction: _write(transaction, records))
    except (IntegrityError, DataError) as error:
        if len(records) == 1:
            return [error]
        return [write_batch(writer, [record])[0] for record in records]
    except SQLAlchemyError as error:
        return [error] * len(records)
    return [None] * len(records)


def _write(transaction: BatchTransaction, records: Sequence[PredictionRecord]) -> None:
    """Write the rows, table by table.

    Invariant: rows that other processes may write at the same time (exposures, counters, review
    items) are written in the order of their keys. Two batches that touch the same rows then wait
    for each other without a deadlock: tests/services/predictions/test_batch_writer.py.
    """
    predictions.add(transaction, [(record.prediction, record.digit_image) for record in records])
    direct = [(record.prediction, NO_NEW_UNITS) for record in records if record.split is None]
    split = [(record, record.split) for record in records if record.split is not None]
    _enqueue_reviews(transaction, split)
    counters.count_predictions(transaction, direct + _count_exposures(transaction, split))


def _enqueue_reviews(transaction: BatchTransaction, records: Sequence[_SplitRecord]) -> None:
    """Store shadow comparisons, and queue the images that an experiment or rollout needs labeled.

    An experiment takes precedence: an image in its queue is not queued a second time for a rollout.
    """
    items = []
    for record, split in records:
        prediction, is_evidence = record.prediction, split.experiment_id is not None
        guarded_rollouts.add_comparisons(
            transaction, prediction.id, record.comparisons, is_evidence=is_evidence
        )
        if is_evidence and (prediction.disagrees or split.is_audited(prediction.id)):
            items.append(_review_item(record, split, split.experiment_id))
        elif any(comparison.disagrees for comparison in record.comparisons):
            items.append(_review_item(record, split, None))
    reviews.enqueue_batch(transaction, items)


def _review_item(
    record: PredictionRecord, split: TrafficSplit, experiment_id: int | None
) -> dict[str, Any]:
    """Return the row of an image to review, for an experiment or, with None, outside of any."""
    prediction = record.prediction
    return {
        "prediction_id": prediction.id,
        "experiment_id": experiment_id,
        "image_hash": image_hash(record.digit_image.tobytes()),
        "is_audit": experiment_id is not None and not prediction.disagrees,
        "order_key": split.review_order_key(prediction.id),
    }


def _count_exposures(
    transaction: BatchTransaction, records: Sequence[_SplitRecord]
) -> list[tuple[Prediction, NewUnits]]:
    """Return the units that each prediction assigned, and record the exposures of users.

    With the unit "request" each prediction is a new unit; with "user" only a user's first one in a
    stage is. Outside of an experiment nothing is counted.
    """
    units, of_users = [], []
    for record, split in records:
        prediction = record.prediction
        if split.stage_id is None:
            units.append((prediction, NO_NEW_UNITS))
        elif split.unit is AssignmentUnit.REQUEST:
            units.append((prediction, NewUnits(1, 0)))
        else:
            of_users.append((split.stage_id, split.unit_hash(prediction.user_id), prediction))
    for stage_id, unit_hash, prediction in sorted(of_users, key=itemgetter(0, 1)):
        version = prediction.version.value
        new_units = experiments.record_exposure(transaction, stage_id, unit_hash, version)
        units.append((prediction, new_units))
    return units

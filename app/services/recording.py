"""Group commit: predictions that arrive together are written in one transaction.

The one exception to "a service owns its transaction, once per use case": a group is of as many use
cases as there are entries in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from app.domain.assignment import Split, Unit
from app.domain.readings import Digit, GuardCase, Prediction, picture_hash
from app.store import counters, experiments, guards, predictions, reviews
from app.store.counters import NO_UNITS, Units
from app.store.groups import Group, GroupWriter


@dataclass(frozen=True)
class Entry:
    """A prediction with its digit; for A/B also how it was divided, and what guards saw."""

    prediction: Prediction
    digit: Digit
    split: Split | None = None
    guarded: Sequence[GuardCase] = ()


def record(groups: GroupWriter, entries: Sequence[Entry]) -> list[Exception | None]:
    """Write entries in one transaction; where rows of them are refused, each in its own.

    So a request whose account is erased meanwhile fails by itself. Returns the error of each, None
    where there was none: what is written survives the end of the process.
    """
    try:
        groups.write(lambda group: _write(group, entries))
    except (IntegrityError, DataError) as error:
        return [error] if len(entries) == 1 else [record(groups, [each])[0] for each in entries]
    except SQLAlchemyError as error:
        return [error] * len(entries)
    return [None] * len(entries)


def _write(group: Group, entries: Sequence[Entry]) -> None:
    predictions.add(group, [(entry.prediction, entry.digit) for entry in entries])
    made = [(entry.prediction, _file(group, entry)) for entry in entries]
    counters.count_predictions(group, made)


def _file(group: Group, entry: Entry) -> Units:
    """Do what A/B asks for beside the row itself; returns what an experiment assigned.

    What guards saw is noted, and the picture reviewed where an experiment or a guard asks.
    """
    split, prediction = entry.split, entry.prediction
    if split is None:
        return NO_UNITS
    is_evidence = split.experiment_id is not None
    guards.add_cases(group, prediction.id, entry.guarded, is_evidence=is_evidence)
    if is_evidence and (prediction.disagrees or split.is_audited(prediction.id)):
        _enqueue(group, entry, split, split.experiment_id)
    elif any(case.disagrees for case in entry.guarded):
        _enqueue(group, entry, split, None)
    return _units(group, split, prediction)


def _units(group: Group, split: Split, prediction: Prediction) -> Units:
    """The request, or the user when the stage had not met them yet."""
    if split.stage_id is None:
        return NO_UNITS
    if split.unit is Unit.REQUEST:
        return Units(1, 0)
    unit_hash = split.unit_hash(prediction.user_id)
    return experiments.expose(group, split.stage_id, unit_hash, prediction.version.value)


def _enqueue(group: Group, entry: Entry, split: Split, experiment_id: int | None) -> None:
    """Have a picture reviewed, as evidence in an experiment or not; the same picture only once."""
    prediction = entry.prediction
    reviews.enqueue_in(
        group,
        prediction_id=prediction.id,
        experiment_id=experiment_id,
        picture_hash=picture_hash(entry.digit.tobytes()),
        is_audit=experiment_id is not None and not prediction.disagrees,
        place=split.review_place(prediction.id),
    )

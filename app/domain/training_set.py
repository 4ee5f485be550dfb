"""The split of labeled images into a training set and a holdout."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MIN_LABELS = 20
MAX_LABELS_PER_SUBMITTER = 200
HOLDOUT_FRACTION = 0.3
MIN_SUBMITTERS = 5

_ACCEPTABLE_FRACTION = (HOLDOUT_FRACTION / 3, 5 * HOLDOUT_FRACTION / 3)
_SALT = "holdout"


@dataclass(frozen=True)
class TrainingLabel:
    """An image (its 784 bytes), the digit that a reviewer labeled it with, and who submitted it."""

    image: bytes
    digit: int
    submitter_id: int


@dataclass(frozen=True)
class LabelSplit:
    """Labels that a candidate is trained on, and labels that it is evaluated on."""

    train: tuple[TrainingLabel, ...]
    holdout: tuple[TrainingLabel, ...]


def split_labels(labels: Iterable[TrainingLabel]) -> LabelSplit:
    """Cap the labels per image and per submitter, then split them; expect the newest first.

    With enough submitters, all images of a submitter are on one side, so that a candidate is
    evaluated on handwriting that it has not seen; otherwise images are split one by one. A hash
    decides, so that a label stays on its side from one retrain to the next.
    """
    kept = _cap_per_submitter(_drop_conflicting(labels))
    submitters = {label.submitter_id for label in kept}
    if len(submitters) >= MIN_SUBMITTERS:
        by_submitter = _split_by_keys(kept, [str(label.submitter_id).encode() for label in kept])
        fraction = len(by_submitter.holdout) / len(kept)
        if _ACCEPTABLE_FRACTION[0] <= fraction <= _ACCEPTABLE_FRACTION[1]:
            return by_submitter
    return _split_by_keys(kept, [label.image for label in kept])


def _drop_conflicting(labels: Iterable[TrainingLabel]) -> list[TrainingLabel]:
    """Keep one label per image, and none of an image that was labeled differently."""
    by_image: dict[bytes, list[TrainingLabel]] = {}
    for label in labels:
        by_image.setdefault(label.image, []).append(label)
    return [same[0] for same in by_image.values() if len({label.digit for label in same}) == 1]


def _cap_per_submitter(labels: Sequence[TrainingLabel]) -> list[TrainingLabel]:
    counts: Counter[int] = Counter()
    kept = []
    for label in labels:
        counts[label.submitter_id] += 1
        if counts[label.submitter_id] <= MAX_LABELS_PER_SUBMITTER:
            kept.append(label)
    return kept


def _split_by_keys(labels: Sequence[TrainingLabel], keys: Sequence[bytes]) -> LabelSplit:
    in_holdout = [_is_in_holdout(key) for key in keys]
    return LabelSplit(
        tuple(label for label, held_out in zip(labels, in_holdout, strict=True) if not held_out),
        tuple(label for label, held_out in zip(labels, in_holdout, strict=True) if held_out),
    )


def _is_in_holdout(key: bytes) -> bool:
    digest = hashlib.sha256(_SALT.encode() + key).digest()
    return int.from_bytes(digest[:8], "big") < HOLDOUT_FRACTION * 2**64

"""Which labelled pictures a candidate learns from, and which are held out to judge it by."""

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
    """A picture (its 784 bytes), the digit that a reviewer saw on it, and who had sent it."""

    image: bytes
    digit: int
    submitter_id: int


@dataclass(frozen=True)
class LabelSplit:
    """Labels to learn from, and labels that judge what was learned."""

    train: tuple[TrainingLabel, ...]
    holdout: tuple[TrainingLabel, ...]


def split_labels(labels: Iterable[TrainingLabel]) -> LabelSplit:
    """Cap labels by picture and by submitter, and hold some out; the newest come first.

    Whole submitters are held out where there are enough of them, so that a candidate is judged on
    hands that it has not seen; else single pictures are. A label stays on its side from one retrain
    to the next, because a hash decides.
    """
    kept = _cap_per_submitter(_drop_conflicting(labels))
    submitters = {label.submitter_id for label in kept}
    if len(submitters) >= MIN_SUBMITTERS:
        by_submitter = _split_by_keys(kept, [str(label.submitter_id).encode() for label in kept])
        share = len(by_submitter.holdout) / len(kept)
        if _ACCEPTABLE_FRACTION[0] <= share <= _ACCEPTABLE_FRACTION[1]:
            return by_submitter
    return _split_by_keys(kept, [label.image for label in kept])


def _drop_conflicting(labels: Iterable[TrainingLabel]) -> list[TrainingLabel]:
    """One label of each picture; none of one that reviewers named differently."""
    by_picture: dict[bytes, list[TrainingLabel]] = {}
    for label in labels:
        by_picture.setdefault(label.image, []).append(label)
    return [same[0] for same in by_picture.values() if len({label.digit for label in same}) == 1]


def _cap_per_submitter(labels: Sequence[TrainingLabel]) -> list[TrainingLabel]:
    counted: Counter[int] = Counter()
    kept = []
    for label in labels:
        counted[label.submitter_id] += 1
        if counted[label.submitter_id] <= MAX_LABELS_PER_SUBMITTER:
            kept.append(label)
    return kept


def _split_by_keys(labels: Sequence[TrainingLabel], keys: Sequence[bytes]) -> LabelSplit:
    sides = [_is_in_holdout(key) for key in keys]
    return LabelSplit(
        tuple(label for label, is_held_out in zip(labels, sides, strict=True) if not is_held_out),
        tuple(label for label, is_held_out in zip(labels, sides, strict=True) if is_held_out),
    )


def _is_in_holdout(key: bytes) -> bool:
    digest = hashlib.sha256(_SALT.encode() + key).digest()
    return int.from_bytes(digest[:8], "big") < HOLDOUT_FRACTION * 2**64

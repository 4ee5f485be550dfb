"""Which labelled pictures a candidate learns from, and which are held out to judge it by."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FEWEST_LABELS = 20
MOST_OF_ONE_SUBMITTER = 200
HELD_OUT = 0.3
FEWEST_SUBMITTERS = 5

_FAIR_SHARE = (HELD_OUT / 3, 5 * HELD_OUT / 3)
_SALT = "holdout"


@dataclass(frozen=True)
class Label:
    """A picture (its 784 bytes), the digit that a reviewer saw on it, and who had sent it."""

    picture: bytes
    digit: int
    submitter: int


@dataclass(frozen=True)
class Lessons:
    """Labels to learn from, and labels that judge what was learned."""

    taught: tuple[Label, ...]
    held_out: tuple[Label, ...]


def divide(labels: Iterable[Label]) -> Lessons:
    """Cap labels by picture and by submitter, and hold some out; the newest come first.

    Whole submitters are held out where there are enough of them, so that a candidate is judged on
    hands that it has not seen; else single pictures are. A label stays on its side from one retrain
    to the next, because a hash decides.
    """
    kept = _capped(_agreed(labels))
    submitters = {label.submitter for label in kept}
    if len(submitters) >= FEWEST_SUBMITTERS:
        by_submitter = _split(kept, [str(label.submitter).encode() for label in kept])
        share = len(by_submitter.held_out) / len(kept)
        if _FAIR_SHARE[0] <= share <= _FAIR_SHARE[1]:
            return by_submitter
    return _split(kept, [label.picture for label in kept])


def _agreed(labels: Iterable[Label]) -> list[Label]:
    """One label of each picture; none of one that reviewers named differently."""
    by_picture: dict[bytes, list[Label]] = {}
    for label in labels:
        by_picture.setdefault(label.picture, []).append(label)
    return [same[0] for same in by_picture.values() if len({label.digit for label in same}) == 1]


def _capped(labels: Sequence[Label]) -> list[Label]:
    counted: Counter[int] = Counter()
    kept = []
    for label in labels:
        counted[label.submitter] += 1
        if counted[label.submitter] <= MOST_OF_ONE_SUBMITTER:
            kept.append(label)
    return kept


def _split(labels: Sequence[Label], keys: Sequence[bytes]) -> Lessons:
    sides = [_is_held_out(key) for key in keys]
    return Lessons(
        tuple(label for label, is_held_out in zip(labels, sides, strict=True) if not is_held_out),
        tuple(label for label, is_held_out in zip(labels, sides, strict=True) if is_held_out),
    )


def _is_held_out(key: bytes) -> bool:
    digest = hashlib.sha256(_SALT.encode() + key).digest()
    return int.from_bytes(digest[:8], "big") < HELD_OUT * 2**64

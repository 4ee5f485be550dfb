"""A candidate's marks: how it, the model in service and the shipped one read the same pictures."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.domain.promotion_gates import CandidateMetrics, PairedCounts
from app.services.models.onnx_runtime import InferenceSession
from app.training.datasets import LabeledDigits
from app.training.evaluation_sets import (
    EvaluationSet,
    corrupted_set,
    make_set,
    plain_set,
    render_images,
)
from app.training.mnist_c import CORRUPTIONS

RENDERED_KINDS = ("photograph", "drawing")
IMAGES_PER_KIND = 600
IMAGES_PER_CORRUPTION = 200

_Correct = npt.NDArray[np.bool_]


def evaluate_candidate(
    sessions: Sequence[InferenceSession],
    validation: LabeledDigits,
    holdout: LabeledDigits,
    lessons: LabeledDigits,
) -> CandidateMetrics:
    """Examine a candidate, the model in service and the shipped one, in this order."""
    candidate, serving, shipped = sessions
    exam_of_all = plain_set("validation", validation)
    right, beside, once = (exam_of_all.right(each) for each in (candidate, serving, shipped))
    return CandidateMetrics(
        validation=count_pairs(right, beside),
        validation_vs_bundled=count_pairs(right, once),
        by_digit={
            str(digit): count_pairs(right[shown], beside[shown])
            for digit in range(10)
            for shown in [validation.labels == digit]
        },
        by_image_kind={
            kind: count_pairs(
                *(np.concatenate([of.right(each) for of in exams]) for each in (candidate, serving))
            )
            for kind, exams in _robustness_sets(validation).items()
        },
        holdout=_compare(holdout, candidate, serving),
        train=_compare(lessons, candidate, serving),
    )


def count_pairs(candidate: _Correct, other: _Correct) -> PairedCounts:
    """Count pictures by who read them right, of two arrays (n,)."""
    return PairedCounts(
        images=len(candidate),
        both_correct=int((candidate & other).sum()),
        only_candidate_correct=int((candidate & ~other).sum()),
        only_baseline_correct=int((~candidate & other).sum()),
    )


def _robustness_sets(validation: LabeledDigits) -> dict[str, list[EvaluationSet]]:
    """Validation digits as the pictures that are hardest to read."""
    each = IMAGES_PER_CORRUPTION
    corruptions = [
        corrupted_set(
            name, LabeledDigits(validation.digits[at : at + each], validation.labels[at:][:each])
        )
        for at, name in zip(range(0, len(validation.labels), each), CORRUPTIONS, strict=False)
    ]
    files = {kind: render_images(kind, validation, IMAGES_PER_KIND) for kind in RENDERED_KINDS}
    photographed = {kind: [make_set(kind, *pictures)] for kind, pictures in files.items()}
    return photographed | {"corruptions": corruptions}


def _compare(
    of: LabeledDigits, candidate: InferenceSession, serving: InferenceSession
) -> PairedCounts:
    """On pictures that imaging gave already."""
    taken = EvaluationSet(of.digits, np.zeros(len(of.labels), dtype=np.bool_), of.labels)
    return count_pairs(taken.right(candidate), taken.right(serving))

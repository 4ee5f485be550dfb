"""Evaluation of a candidate, the deployed and the bundled model on the same images."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.domain.promotion_gates import CandidateMetrics, PairedCounts
from app.onnx_runtime import InferenceSession
from app.training.datasets import LabeledDigits
from app.training.evaluation_sets import (
    EvaluationSet,
    corrupted_set,
    make_set,
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
    validation_set: EvaluationSet,
    holdout: LabeledDigits,
    train: LabeledDigits,
) -> CandidateMetrics:
    """Evaluate a candidate, the deployed model and the bundled one, given in this order.

    `validation_set` holds the same digits as `validation`, preprocessed.
    """
    candidate, deployed, _bundled = sessions
    by_candidate, by_deployed, by_bundled = (validation_set.correct(each) for each in sessions)
    return CandidateMetrics(
        validation=count_pairs(by_candidate, by_deployed),
        validation_vs_bundled=count_pairs(by_candidate, by_bundled),
        by_digit={
            str(digit): count_pairs(by_candidate[chosen], by_deployed[chosen])
            for digit in range(10)
            for chosen in [validation.labels == digit]
        },
        by_image_kind={
            kind: count_pairs(
                *(
                    np.concatenate([part.correct(model) for part in sets])
                    for model in (candidate, deployed)
                )
            )
            for kind, sets in _robustness_sets(validation).items()
        },
        holdout=_compare(holdout, candidate, deployed),
        train=_compare(train, candidate, deployed),
    )


def count_pairs(candidate: _Correct, baseline: _Correct) -> PairedCounts:
    """Count images by which of two models is correct, from two arrays (n,)."""
    return PairedCounts(
        images=len(candidate),
        both_correct=int((candidate & baseline).sum()),
        only_candidate_correct=int((candidate & ~baseline).sum()),
        only_baseline_correct=int((~candidate & baseline).sum()),
    )


def _robustness_sets(validation: LabeledDigits) -> dict[str, list[EvaluationSet]]:
    """Return validation digits rendered and corrupted as the images that are hardest to read."""
    size = IMAGES_PER_CORRUPTION
    corruptions = [
        corrupted_set(
            name, LabeledDigits(validation.digits[at : at + size], validation.labels[at:][:size])
        )
        for at, name in zip(range(0, len(validation.labels), size), CORRUPTIONS, strict=False)
    ]
    files = {kind: render_images(kind, validation, IMAGES_PER_KIND) for kind in RENDERED_KINDS}
    rendered = {kind: [make_set(kind, *images)] for kind, images in files.items()}
    return rendered | {"corruptions": corruptions}


def _compare(
    of: LabeledDigits, candidate: InferenceSession, serving: InferenceSession
) -> PairedCounts:
    """Compare two models on images that are already preprocessed."""
    taken = EvaluationSet(of.digits, np.zeros(len(of.labels), dtype=np.bool_), of.labels)
    return count_pairs(taken.correct(candidate), taken.correct(serving))

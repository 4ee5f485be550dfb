"""A candidate's marks: how it, the model in service and the shipped one read the same pictures."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.domain.promotion_gates import Marks, Paired
from app.services.models.onnx_runtime import Session
from app.training.datasets import LabelledDigits
from app.training.evaluation_sets import Exam, corrupted, exam, made, plain
from app.training.mnist_c import CORRUPTIONS

PHOTOGRAPHED = ("photograph", "drawing")
PICTURES_OF_A_KIND = 600
PICTURES_OF_A_CORRUPTION = 200

_Right = npt.NDArray[np.bool_]


def mark(
    sessions: Sequence[Session],
    validation: LabelledDigits,
    holdout: LabelledDigits,
    lessons: LabelledDigits,
) -> Marks:
    """Examine a candidate, the model in service and the shipped one, in this order."""
    candidate, serving, shipped = sessions
    exam_of_all = plain("validation", validation)
    right, beside, once = (exam_of_all.right(each) for each in (candidate, serving, shipped))
    return Marks(
        validation=paired(right, beside),
        validation_beside_shipped=paired(right, once),
        digits={
            str(digit): paired(right[shown], beside[shown])
            for digit in range(10)
            for shown in [validation.labels == digit]
        },
        kinds={
            kind: paired(
                *(np.concatenate([of.right(each) for of in exams]) for each in (candidate, serving))
            )
            for kind, exams in _hard(validation).items()
        },
        holdout=_beside(holdout, candidate, serving),
        lessons=_beside(lessons, candidate, serving),
    )


def paired(candidate: _Right, other: _Right) -> Paired:
    """Count pictures by who read them right, of two arrays (n,)."""
    return Paired(
        pictures=len(candidate),
        both=int((candidate & other).sum()),
        candidate_alone=int((candidate & ~other).sum()),
        other_alone=int((~candidate & other).sum()),
    )


def _hard(validation: LabelledDigits) -> dict[str, list[Exam]]:
    """Validation digits as the pictures that are hardest to read."""
    each = PICTURES_OF_A_CORRUPTION
    corruptions = [
        corrupted(
            name, LabelledDigits(validation.digits[at : at + each], validation.labels[at:][:each])
        )
        for at, name in zip(range(0, len(validation.labels), each), CORRUPTIONS, strict=False)
    ]
    files = {kind: made(kind, validation, PICTURES_OF_A_KIND) for kind in PHOTOGRAPHED}
    photographed = {kind: [exam(kind, *pictures)] for kind, pictures in files.items()}
    return photographed | {"corruptions": corruptions}


def _beside(of: LabelledDigits, candidate: Session, serving: Session) -> Paired:
    """On pictures that imaging gave already."""
    taken = Exam(of.digits, np.zeros(len(of.labels), dtype=np.bool_), of.labels)
    return paired(taken.right(candidate), taken.right(serving))

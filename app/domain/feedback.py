"""What the fields of a user's feedback on a prediction say together."""

from dataclasses import dataclass

from app.domain.errors import ContradictoryFeedback, InvalidInput

INCOMPLETE_MESSAGE = "Prediction and correct flag required"


@dataclass(frozen=True)
class ResolvedFeedback:
    """Whether the prediction was correct, and the true digit if the user named it."""

    correct: bool
    digit: int | None = None
    not_a_digit: bool = False


def resolve(
    predicted: int, correct: bool | None, digit: int | None, not_a_digit: bool
) -> ResolvedFeedback:
    """Combine the fields of feedback on the prediction `predicted`.

    Raise InvalidInput if all are missing, ContradictoryFeedback if they contradict each other.
    """
    if not_a_digit and digit is not None:
        raise ContradictoryFeedback("An image that is not a digit has no true digit")
    if not_a_digit and correct:
        raise ContradictoryFeedback(
            "A prediction for an image that is not a digit cannot be correct"
        )
    if digit is not None and correct is not None and correct != (digit == predicted):
        raise ContradictoryFeedback(
            f"The predicted digit was {predicted}: `correct` and `digit` contradict each other"
        )
    if not_a_digit:
        return ResolvedFeedback(correct=False, not_a_digit=True)
    if digit is not None:
        return ResolvedFeedback(correct=digit == predicted, digit=digit)
    if correct is None:
        raise InvalidInput(INCOMPLETE_MESSAGE)
    return ResolvedFeedback(correct=correct, digit=predicted if correct else None)

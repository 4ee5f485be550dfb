"""People's words on an answer: what they come to together, or that they contradict each other."""

from dataclasses import dataclass

from app.domain.errors import ContradictoryFeedback, InvalidInput

INCOMPLETE = "Prediction and correct flag required"


@dataclass(frozen=True)
class ResolvedFeedback:
    """What somebody says of an answer: whether it was right, and if they told, what was there."""

    correct: bool
    digit: int | None = None
    not_a_digit: bool = False


def resolve(
    answered: int, correct: bool | None, digit: int | None, not_a_digit: bool
) -> ResolvedFeedback:
    """Bring the parts of a word on the answer `answered` together.

    Raises InvalidInput where nothing was said, Contradiction where the parts exclude each other.
    """
    if not_a_digit and digit is not None:
        raise ContradictoryFeedback("A picture that is not a digit has no true digit")
    if not_a_digit and correct:
        raise ContradictoryFeedback("An answer on a picture that is not a digit cannot be correct")
    if digit is not None and correct is not None and correct != (digit == answered):
        raise ContradictoryFeedback(
            f"The answer was {answered}: `correct` and `digit` exclude each other"
        )
    if not_a_digit:
        return ResolvedFeedback(correct=False, not_a_digit=True)
    if digit is not None:
        return ResolvedFeedback(correct=digit == answered, digit=digit)
    if correct is None:
        raise InvalidInput(INCOMPLETE)
    return ResolvedFeedback(correct=correct, digit=answered if correct else None)

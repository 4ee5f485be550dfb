"""Combining the fields of feedback."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import CifraError, ContradictoryFeedback, InvalidInput
from app.domain.feedback import ResolvedFeedback, resolve

DIGITS = st.integers(0, 9)


@pytest.mark.parametrize(
    ("correct", "digit", "not_a_digit", "expected"),
    [
        (True, None, False, ResolvedFeedback(correct=True, digit=7)),
        (False, None, False, ResolvedFeedback(correct=False)),
        (None, 7, False, ResolvedFeedback(correct=True, digit=7)),
        (None, 1, False, ResolvedFeedback(correct=False, digit=1)),
        (True, 7, False, ResolvedFeedback(correct=True, digit=7)),
        (False, 1, False, ResolvedFeedback(correct=False, digit=1)),
        (None, None, True, ResolvedFeedback(correct=False, not_a_digit=True)),
        (False, None, True, ResolvedFeedback(correct=False, not_a_digit=True)),
    ],
)
def test_consistent_fields_are_combined(
    correct: bool | None, digit: int | None, not_a_digit: bool, expected: ResolvedFeedback
) -> None:
    assert resolve(7, correct, digit, not_a_digit=not_a_digit) == expected


@pytest.mark.parametrize(
    ("correct", "digit", "not_a_digit"),
    [(True, 1, False), (False, 7, False), (True, None, True), (None, 1, True), (False, 7, True)],
)
def test_contradictory_fields_are_rejected(
    correct: bool | None, digit: int | None, not_a_digit: bool
) -> None:
    with pytest.raises(ContradictoryFeedback):
        resolve(7, correct, digit, not_a_digit=not_a_digit)


def test_feedback_without_any_field_is_rejected() -> None:
    with pytest.raises(InvalidInput, match="Prediction and correct flag required"):
        resolve(7, None, None, not_a_digit=False)


@given(DIGITS, st.none() | st.booleans(), st.none() | DIGITS, st.booleans())
def test_feedback_is_correct_exactly_if_its_digit_is_the_predicted_one(
    predicted: int, correct: bool | None, digit: int | None, not_a_digit: bool
) -> None:
    try:
        resolved = resolve(predicted, correct, digit, not_a_digit=not_a_digit)
    except CifraError:
        return
    if resolved.digit is not None:
        assert resolved.correct == (resolved.digit == predicted)
    assert not (resolved.not_a_digit and resolved.correct)

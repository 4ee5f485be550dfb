"""What the parts of a word come to together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import CifraError, ContradictoryFeedback, InvalidInput
from app.domain.feedback import ResolvedFeedback, resolve

DIGITS = st.integers(0, 9)


@pytest.mark.parametrize(
    ("correct", "digit", "not_a_digit", "word"),
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
def test_parts_that_fit_make_a_word(
    correct: bool | None, digit: int | None, not_a_digit: bool, word: ResolvedFeedback
) -> None:
    assert resolve(7, correct, digit, not_a_digit=not_a_digit) == word


@pytest.mark.parametrize(
    ("correct", "digit", "not_a_digit"),
    [(True, 1, False), (False, 7, False), (True, None, True), (None, 1, True), (False, 7, True)],
)
def test_parts_that_exclude_each_other_are_refused(
    correct: bool | None, digit: int | None, not_a_digit: bool
) -> None:
    with pytest.raises(ContradictoryFeedback):
        resolve(7, correct, digit, not_a_digit=not_a_digit)


def test_nothing_said_is_no_word() -> None:
    with pytest.raises(InvalidInput, match="Prediction and correct flag required"):
        resolve(7, None, None, not_a_digit=False)


@given(DIGITS, st.none() | st.booleans(), st.none() | DIGITS, st.booleans())
def test_a_word_is_correct_exactly_when_its_digit_is_the_answer(
    answered: int, correct: bool | None, digit: int | None, not_a_digit: bool
) -> None:
    try:
        word = resolve(answered, correct, digit, not_a_digit=not_a_digit)
    except CifraError:
        return
    if word.digit is not None:
        assert word.correct == (word.digit == answered)
    assert not (word.not_a_digit and word.correct)

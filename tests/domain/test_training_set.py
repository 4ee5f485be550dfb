"""Which labels teach, and which are held out."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.domain.training_set import (
    HOLDOUT_FRACTION,
    MAX_LABELS_PER_SUBMITTER,
    LabelSplit,
    TrainingLabel,
    split_labels,
)

labels = st.lists(
    st.builds(
        TrainingLabel, st.binary(min_size=1, max_size=2), st.integers(0, 9), st.integers(1, 8)
    ),
    max_size=60,
)


def of(count: int, submitters: int) -> list[TrainingLabel]:
    return [
        TrainingLabel(str(number).encode(), number % 10, 1 + number % submitters)
        for number in range(count)
    ]


def everybody(labels: Sequence[TrainingLabel]) -> set[int]:
    return {label.submitter_id for label in labels}


def test_nothing_divides_into_nothing() -> None:
    assert split_labels([]) == LabelSplit((), ())


def test_of_a_few_submitters_pictures_are_held_out() -> None:
    lessons = split_labels(of(400, submitters=4))
    assert everybody(lessons.train) == everybody(lessons.holdout) == {1, 2, 3, 4}
    assert abs(len(lessons.holdout) / 400 - HOLDOUT_FRACTION) < 0.1


def test_of_many_submitters_whole_ones_are_held_out() -> None:
    lessons = split_labels(of(400, submitters=20))
    assert not everybody(lessons.train) & everybody(lessons.holdout)
    assert 0.1 <= len(lessons.holdout) / 400 <= 0.5


def test_one_submitter_teaches_only_so_much() -> None:
    lessons = split_labels(of(MAX_LABELS_PER_SUBMITTER + 100, submitters=1))
    assert len(lessons.train) + len(lessons.holdout) == MAX_LABELS_PER_SUBMITTER


def test_a_picture_that_was_named_differently_teaches_nothing() -> None:
    clear, disputed = TrainingLabel(b"clear", 3, 1), TrainingLabel(b"disputed", 3, 1)
    lessons = split_labels([clear, disputed, clear, TrainingLabel(b"disputed", 8, 2)])
    assert lessons.train + lessons.holdout == (clear,)


@given(labels)
def test_no_picture_is_on_both_sides_and_none_comes_twice(
    given_labels: list[TrainingLabel],
) -> None:
    lessons = split_labels(given_labels)
    pictures = [label.image for label in lessons.train + lessons.holdout]
    assert len(pictures) == len(set(pictures))


@given(labels, labels)
def test_more_labels_move_no_picture_to_the_other_side_while_pictures_decide(
    before: list[TrainingLabel], more: list[TrainingLabel]
) -> None:
    one = [TrainingLabel(label.image, 1, 1) for label in before]
    grown = split_labels(one + [TrainingLabel(label.image, 1, 1) for label in more])
    sides = split_labels(one)
    assert set(sides.train) <= set(grown.train)
    assert set(sides.holdout) <= set(grown.holdout)

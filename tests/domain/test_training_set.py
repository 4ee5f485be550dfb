"""The split of labels into training set and holdout."""

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


def make_labels(count: int, submitters: int) -> list[TrainingLabel]:
    return [
        TrainingLabel(str(number).encode(), number % 10, 1 + number % submitters)
        for number in range(count)
    ]


def submitter_ids(labels: Sequence[TrainingLabel]) -> set[int]:
    return {label.submitter_id for label in labels}


def test_no_labels_split_into_nothing() -> None:
    assert split_labels([]) == LabelSplit((), ())


def test_with_few_submitters_images_are_held_out() -> None:
    label_split = split_labels(make_labels(400, submitters=4))
    assert submitter_ids(label_split.train) == submitter_ids(label_split.holdout) == {1, 2, 3, 4}
    assert abs(len(label_split.holdout) / 400 - HOLDOUT_FRACTION) < 0.1


def test_with_many_submitters_whole_submitters_are_held_out() -> None:
    label_split = split_labels(make_labels(400, submitters=20))
    assert not submitter_ids(label_split.train) & submitter_ids(label_split.holdout)
    assert 0.1 <= len(label_split.holdout) / 400 <= 0.5


def test_labels_per_submitter_are_capped() -> None:
    label_split = split_labels(make_labels(MAX_LABELS_PER_SUBMITTER + 100, submitters=1))
    assert len(label_split.train) + len(label_split.holdout) == MAX_LABELS_PER_SUBMITTER


def test_an_image_with_conflicting_labels_is_dropped() -> None:
    clear, conflicting = TrainingLabel(b"clear", 3, 1), TrainingLabel(b"conflicting", 3, 1)
    label_split = split_labels([clear, conflicting, clear, TrainingLabel(b"conflicting", 8, 2)])
    assert label_split.train + label_split.holdout == (clear,)


@given(labels)
def test_no_image_is_on_both_sides_or_repeated(
    given_labels: list[TrainingLabel],
) -> None:
    label_split = split_labels(given_labels)
    images = [label.image for label in label_split.train + label_split.holdout]
    assert len(images) == len(set(images))


@given(labels, labels)
def test_more_labels_move_no_image_to_the_other_side(
    before: list[TrainingLabel], more: list[TrainingLabel]
) -> None:
    one = [TrainingLabel(label.image, 1, 1) for label in before]
    grown = split_labels(one + [TrainingLabel(label.image, 1, 1) for label in more])
    sides = split_labels(one)
    assert set(sides.train) <= set(grown.train)
    assert set(sides.holdout) <= set(grown.holdout)

"""Which labels teach, and which are held out."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.domain.training_set import HELD_OUT, MOST_OF_ONE_SUBMITTER, Label, Lessons, divide

labels = st.lists(
    st.builds(Label, st.binary(min_size=1, max_size=2), st.integers(0, 9), st.integers(1, 8)),
    max_size=60,
)


def of(count: int, submitters: int) -> list[Label]:
    return [
        Label(str(number).encode(), number % 10, 1 + number % submitters) for number in range(count)
    ]


def everybody(labels: Sequence[Label]) -> set[int]:
    return {label.submitter for label in labels}


def test_nothing_divides_into_nothing() -> None:
    assert divide([]) == Lessons((), ())


def test_of_a_few_submitters_pictures_are_held_out() -> None:
    lessons = divide(of(400, submitters=4))
    assert everybody(lessons.taught) == everybody(lessons.held_out) == {1, 2, 3, 4}
    assert abs(len(lessons.held_out) / 400 - HELD_OUT) < 0.1


def test_of_many_submitters_whole_ones_are_held_out() -> None:
    lessons = divide(of(400, submitters=20))
    assert not everybody(lessons.taught) & everybody(lessons.held_out)
    assert 0.1 <= len(lessons.held_out) / 400 <= 0.5


def test_one_submitter_teaches_only_so_much() -> None:
    lessons = divide(of(MOST_OF_ONE_SUBMITTER + 100, submitters=1))
    assert len(lessons.taught) + len(lessons.held_out) == MOST_OF_ONE_SUBMITTER


def test_a_picture_that_was_named_differently_teaches_nothing() -> None:
    clear, disputed = Label(b"clear", 3, 1), Label(b"disputed", 3, 1)
    lessons = divide([clear, disputed, clear, Label(b"disputed", 8, 2)])
    assert lessons.taught + lessons.held_out == (clear,)


@given(labels)
def test_no_picture_is_on_both_sides_and_none_comes_twice(given_labels: list[Label]) -> None:
    lessons = divide(given_labels)
    pictures = [label.picture for label in lessons.taught + lessons.held_out]
    assert len(pictures) == len(set(pictures))


@given(labels, labels)
def test_more_labels_move_no_picture_to_the_other_side_while_pictures_decide(
    before: list[Label], more: list[Label]
) -> None:
    one = [Label(label.picture, 1, 1) for label in before]
    grown = divide(one + [Label(label.picture, 1, 1) for label in more])
    sides = divide(one)
    assert set(sides.taught) <= set(grown.taught)
    assert set(sides.held_out) <= set(grown.held_out)

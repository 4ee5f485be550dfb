"""Work that threads ask for at the same time, done by one of them for all."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.services.predictions.request_batcher import RequestBatcher


def double(asked: Sequence[int]) -> list[int | Exception]:
    return [ValueError(str(each)) if each < 0 else 2 * each for each in asked]


def test_each_thread_gets_its_own_answer_or_error() -> None:
    combiner = RequestBatcher(double, 8)

    def ask(number: int) -> int:
        return combiner.submit(number)

    with ThreadPoolExecutor(16) as pool:
        futures = {number: pool.submit(ask, number) for number in range(-200, 200)}
    for number, future in futures.items():
        if number < 0:
            assert str(future.exception()) == str(number)
        else:
            assert future.result() == 2 * number


def test_who_comes_while_work_is_done_is_served_together_next() -> None:
    groups: list[list[int]] = []
    begun, go_on = threading.Event(), threading.Event()

    def work(asked: Sequence[int]) -> list[int | Exception]:
        groups.append(sorted(asked))
        begun.set()
        go_on.wait(10)
        return list(asked)

    combiner = RequestBatcher(work, 3)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(combiner.submit, 0)]
        assert begun.wait(10)
        futures += [pool.submit(combiner.submit, number) for number in range(1, 6)]
        while len(combiner._queue) < 5:
            pass
        go_on.set()
        assert [future.result(10) for future in futures] == list(range(6))
    assert [len(group) for group in groups] == [1, 3, 2]


def test_what_breaks_the_work_breaks_it_for_all_who_asked_and_nobody_waits_for_ever() -> None:
    def work(asked: Sequence[int]) -> list[int | Exception]:
        raise RuntimeError("broken")

    combiner = RequestBatcher(work, 4)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(combiner.submit, number) for number in range(40)]
    assert {str(future.exception(10)) for future in futures} == {"broken"}


def test_a_thread_that_is_ended_at_work_leaves_the_others_an_error() -> None:
    class Ended(BaseException):
        pass

    begun, go_on = threading.Event(), threading.Event()

    def work(asked: Sequence[str]) -> list[str | Exception]:
        if "first" in asked:
            begun.set()
            go_on.wait(10)
        if "ends" in asked:
            raise Ended
        return list(asked)

    combiner = RequestBatcher(work, 4)

    def ask(word: str) -> str:
        try:
            return combiner.submit(word)
        except Ended:
            return "ended"

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(ask, "first")
        assert begun.wait(10)
        others = [pool.submit(ask, "ends"), pool.submit(ask, "waits")]
        while len(combiner._queue) < 2:
            pass
        go_on.set()
        assert first.result(10) == "first"
        told = {future.result(10) if future.exception(10) is None else "error" for future in others}
    assert told == {"ended", "error"}
    assert combiner.submit("next") == "next"


def test_nothing_is_asked_twice_alone() -> None:
    combiner = RequestBatcher(double, 4)
    with pytest.raises(ValueError, match="-1"):
        combiner.submit(-1)
    assert combiner.submit(3) == 6

"""Concurrent requests are batched: one thread processes those of all."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.services.predictions.request_batcher import RequestBatcher


def double(requests: Sequence[int]) -> list[int | Exception]:
    return [ValueError(str(each)) if each < 0 else 2 * each for each in requests]


def test_each_thread_gets_its_own_result_or_error() -> None:
    batcher = RequestBatcher(double, 8)

    with ThreadPoolExecutor(16) as pool:
        futures = {number: pool.submit(batcher.submit, number) for number in range(-200, 200)}
    for number, future in futures.items():
        if number < 0:
            assert str(future.exception()) == str(number)
        else:
            assert future.result() == 2 * number


def test_requests_that_arrive_during_a_batch_form_the_next_batches() -> None:
    batches: list[list[int]] = []
    started, resume = threading.Event(), threading.Event()

    def process(requests: Sequence[int]) -> list[int | Exception]:
        batches.append(sorted(requests))
        started.set()
        resume.wait(10)
        return list(requests)

    batcher = RequestBatcher(process, 3)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(batcher.submit, 0)]
        assert started.wait(10)
        futures += [pool.submit(batcher.submit, number) for number in range(1, 6)]
        while len(batcher._queue) < 5:
            pass
        resume.set()
        assert [future.result(10) for future in futures] == list(range(6))
    assert [len(batch) for batch in batches] == [1, 3, 2]


def test_a_failing_batch_raises_in_every_thread_and_none_hangs() -> None:
    def process(requests: Sequence[int]) -> list[int | Exception]:
        raise RuntimeError("broken")

    batcher = RequestBatcher(process, 4)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(batcher.submit, number) for number in range(40)]
    assert {str(future.exception(10)) for future in futures} == {"broken"}


def test_a_leader_that_is_ended_leaves_an_error_to_its_batch() -> None:
    class Ended(BaseException):
        pass

    started, resume = threading.Event(), threading.Event()

    def process(requests: Sequence[str]) -> list[str | Exception]:
        if "first" in requests:
            started.set()
            resume.wait(10)
        if "ends" in requests:
            raise Ended
        return list(requests)

    batcher = RequestBatcher(process, 4)

    def ask(name: str) -> str:
        try:
            return batcher.submit(name)
        except Ended:
            return "ended"

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(ask, "first")
        assert started.wait(10)
        others = [pool.submit(ask, "ends"), pool.submit(ask, "waits")]
        while len(batcher._queue) < 2:
            pass
        resume.set()
        assert first.result(10) == "first"
        results = {
            future.result(10) if future.exception(10) is None else "error" for future in others
        }
    assert results == {"ended", "error"}
    assert batcher.submit("next") == "next"


def test_a_single_request_after_a_failed_one_succeeds() -> None:
    batcher = RequestBatcher(double, 4)
    with pytest.raises(ValueError, match="-1"):
        batcher.submit(-1)
    assert batcher.submit(3) == 6

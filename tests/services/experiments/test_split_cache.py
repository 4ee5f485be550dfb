"""The cache of the traffic split."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.domain.errors import Unavailable
from app.services.experiments.split_cache import SplitCache
from tests.conftest import run_concurrently


@pytest.mark.slow
def test_a_failed_refresh_is_shared_with_the_threads_that_waited_for_it() -> None:
    refreshes = []

    @contextmanager
    def fail_slowly() -> Iterator[None]:
        refreshes.append(time.monotonic())
        time.sleep(1.5)
        raise Unavailable("The database does not answer")
        yield

    cache = SplitCache(fail_slowly)

    def request_split() -> None:
        with pytest.raises(Unavailable):
            cache.current()

    run_concurrently(4, request_split)
    assert len(refreshes) == 1
    request_split()
    assert len(refreshes) == 2

"""The latency histogram."""

from collections import Counter

import numpy as np
import pytest

from app.domain.latency_histogram import bucket_of, cumulative_counts, quantile_ms, total_s


@pytest.mark.parametrize("quantile", [0.5, 0.99])
def test_a_quantile_is_within_a_fifth_of_the_true_one(quantile: float) -> None:
    latencies_us = np.random.default_rng(1).lognormal(7, 1, 20_000).astype(int)
    counts = Counter(bucket_of(int(latency_us)) for latency_us in latencies_us)
    found, true_ms = (
        quantile_ms(counts, quantile),
        float(np.quantile(latencies_us, quantile)) / 1000,
    )
    assert found is not None
    assert true_ms * 0.99 <= found <= true_ms * 1.2


def test_buckets_grow_and_include_the_extremes() -> None:
    buckets = [bucket_of(latency_us) for latency_us in (0, 1, 100, 1_000, 10**6, 10**12)]
    assert buckets == sorted(buckets)
    assert buckets[0] == buckets[1] == 0
    assert quantile_ms({}, 0.5) is None


def test_cumulative_counts_are_exact_and_the_total_is_close() -> None:
    latencies_us = np.random.default_rng(2).lognormal(8, 2, 20_000).astype(int)
    counts = Counter(bucket_of(int(latency_us)) for latency_us in latencies_us)
    for bound_s, count in cumulative_counts(counts):
        assert count == np.sum(latencies_us <= bound_s * 1e6), bound_s
    assert cumulative_counts(counts)[-1] == (float("inf"), 20_000)
    assert total_s(counts) == pytest.approx(latencies_us.sum() / 1e6, rel=0.1)
    assert (cumulative_counts({})[-1][1], total_s({})) == (0, 0)
